#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "modular/adapters.h"
#include "modular/prompt_run.h"
#include "modular/routing_vectors.h"
#include "quiver/routed_model.h"
#include "routing/expert_set.h"
#include "routing/routers/router_method.h"

namespace quiver {

// What a router was fitted to: kept in composed folders, from which the model is put together again.
struct FittedRouter {
  RoutingVectors routing = {};                        // token routers
  std::shared_ptr<const SequenceRule> rule = {};      // the others'
  std::shared_ptr<const FittedRouter> fallback = {};  // of the router that the options name
};

// What a routed model holds besides its base.
struct RoutedModel::State {
  RouterOptions router;
  ExpertSet experts;  // none for the base alone
  std::shared_ptr<const FittedRouter> fitted;
  SequenceNeeds needs;                                        // of the rule
  std::shared_ptr<const MixtureAdapter> mixture;              // token routers
  double prior_weight = 0;                                    // of the rule, where there is a mixture
  std::vector<std::shared_ptr<const LinearAdapter>> singles;  // by expert, where a rule chooses
  std::optional<SequenceDecision> constant;                   // of a rule that needs nothing of a sequence
  std::shared_ptr<const LinearAdapter> constant_adapter;      // what serves it
  std::shared_ptr<const State> fallback;                      // null: the base alone

  static std::shared_ptr<const State> make(const BaseModel& base, ExpertSet experts, RouterOptions router,
                                           std::shared_ptr<const FittedRouter> fitted);

  Binding bind(const BaseModel& base, PromptRun& prompt) const;
  std::shared_ptr<const LinearAdapter> adapter_of(const BaseModel& base,
                                                  const SequenceDecision& decision) const;
};

}  // namespace quiver
