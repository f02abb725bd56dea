#pragma once

#include "modular/adapters.h"
#include "modular/expert_set.h"
#include "quiver/routed_model.h"

namespace quiver {

// What a routed model holds besides its base: the experts, their routing vectors and the adapters made from
// both.
struct RoutedModel::State {
  std::shared_ptr<const ExpertSet> experts;     // null for the base alone
  std::map<std::int64_t, at::Tensor> vectors;   // (E, in) by slot; empty where the router needs none
  std::unique_ptr<const LinearAdapter> shared;  // for every task; null for oracle and base
  std::vector<std::unique_ptr<const LinearAdapter>> by_expert;  // oracle: one per expert
};

}  // namespace quiver
