#include "modular/bind_experts.h"
#include "modular/prompt_run.h"
#include "modular/routed_model_state.h"

namespace quiver {
namespace {

// Experts with constant weights, which are summed in one of two ways.
Binding::Content content_of(const ExpertSet& experts, const SequenceDecision& decision, Combine combine,
                            const std::shared_ptr<const LinearAdapter>& adapter) {
  if (!decision.slot_shares.empty()) return {{adapter, 0}};
  Binding::Content content;
  for (const ExpertShare& share : decision.shares)
    content.emplace_back(*(experts.begin() + static_cast<std::ptrdiff_t>(share.expert)), share.weight);
  if (decision.shares.size() > 1 && combine == Combine::kParameter) content.emplace_back(nullptr, 1);
  return content;
}

std::vector<double> weights_of(std::span<const ExpertShare> shares, std::size_t experts) {
  std::vector<double> weights(experts);
  for (const ExpertShare& share : shares) weights[share.expert] += share.weight;
  return weights;
}

}  // namespace

std::shared_ptr<const RoutedModel::State> RoutedModel::State::make(
    const BaseModel& base, ExpertSet experts, RouterOptions router,
    std::shared_ptr<const FittedRouter> fitted) {
  auto state = std::make_shared<State>();
  state->router = std::move(router);
  state->experts = std::move(experts);
  state->fitted = std::move(fitted);
  if (!state->fitted) return state;
  const RouterMethod& method = router_method(state->router.router);
  if (method.info.kind == RouterClass::kToken) {
    RoutingVectors routing = state->fitted->routing;
    for (auto& [slot, rows] : routing.vectors) {
      if (method.prepare != nullptr) rows = method.prepare(state->router, rows);
    }
    state->mixture = std::make_shared<const MixtureAdapter>(base, state->experts, routing, state->router);
  }
  if (!state->fitted->rule) return state;
  state->needs = state->fitted->rule->needs();
  if (state->mixture) {
    state->prior_weight = router_number(state->router, "prior_weight");
    return state;
  }
  if (!state->needs.task && state->needs.layers.empty() && state->needs.slots.empty()) {
    state->constant = state->fitted->rule->decide({});
    state->constant_adapter = state->adapter_of(base, *state->constant);
  } else {
    for (std::size_t e = 0; e < state->experts.size(); ++e) {
      const ExpertShare own{e, 1};
      state->singles.push_back(std::make_shared<WeightedAdapter>(base, state->experts, std::span(&own, 1)));
    }
  }
  if (state->fitted->fallback)
    state->fallback = make(base, state->experts, *fallback_router(state->router), state->fitted->fallback);
  return state;
}

std::shared_ptr<const LinearAdapter> RoutedModel::State::adapter_of(const BaseModel& base,
                                                                    const SequenceDecision& decision) const {
  const std::vector<ExpertShare>& shares = decision.shares;
  if (shares.empty()) return nullptr;
  if (!decision.slot_shares.empty()) {
    return std::make_shared<WeightedAdapter>(base,
                                             joined_factors(experts, decision.slot_shares, router.combine));
  }
  if (shares.size() == 1 && shares[0].weight == 1 && shares[0].expert < singles.size())
    return singles[shares[0].expert];
  if (shares.size() > 1 && router.combine == Combine::kParameter)
    return std::make_shared<WeightedAdapter>(base, merged_factors(experts, shares));
  return std::make_shared<WeightedAdapter>(base, experts, shares);
}

Binding RoutedModel::State::bind(const BaseModel& base, PromptRun& prompt) const {
  if (mixture && !fitted->rule) return {mixture, {}, {{mixture, 0}}};
  const auto binding = [&](const std::shared_ptr<const LinearAdapter>& adapter,
                           const SequenceDecision& decision) {
    Binding result{adapter, weights_of(decision.shares, experts.size()),
                   content_of(experts, decision, router.combine, adapter)};
    for (const auto& [slot, shares] : decision.slot_shares)
      result.slot_weights[slot] = weights_of(shares, experts.size());
    return result;
  };
  if (constant) return binding(constant_adapter, *constant);
  if (!fitted) return {};
  const SequenceNeeds second_needs = fitted->rule->second_needs();
  SequenceDecision decision = fitted->rule->decide(prompt.read(needs, second_needs));
  if (decision.is_unsure) decision = fitted->rule->look_again(prompt.read(second_needs));
  if (mixture) {
    std::vector<float> prior;
    for (const double log_probability : decision.log_probabilities)
      prior.push_back(static_cast<float>(prior_weight * log_probability));
    const std::shared_ptr<const LinearAdapter> own = mixture->with_prior(std::move(prior));
    return {own, {}, {{own, 0}}};
  }
  if (decision.is_foreign && fallback) return fallback->bind(base, prompt);
  return binding(adapter_of(base, decision), decision);
}

}  // namespace quiver
