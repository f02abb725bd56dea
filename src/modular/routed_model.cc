#include "quiver/routed_model.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/strings.h"
#include "model/first_not_finite.h"
#include "modular/prompt_ids.h"
#include "modular/recorded_beginning.h"
#include "modular/routed_model_state.h"
#include "routing/routing.h"
#include "tensor/finite.h"
#include "text/text_beginning.h"

namespace quiver {
namespace {

// Records the routing of every slot while it runs the model's own adapter.
class TracingAdapter : public LinearAdapter {
 public:
  TracingAdapter(const BaseModel& base, const std::map<std::int64_t, at::Tensor>& vectors,
                 const RouterOptions& router, const LinearAdapter& inner,
                 std::map<std::string, at::Tensor>& trace)
      : base_(base), vectors_(vectors), router_(router), inner_(inner), trace_(trace) {}

  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override {
    for (const std::int64_t slot : group.slots) {
      const auto found = vectors_.find(slot);
      if (found == vectors_.end()) continue;
      const at::Tensor logits = router_.kind == RouterKind::kArrow
                                    ? arrow_logits(x, found->second, logit_divisor(router_, group.in))
                                    : standardized_gate_logits(x, standardize_gates(found->second),
                                                               logit_divisor(router_, group.in));
      const Routing routing = top_k_softmax(logits, router_.top_k, kept_sum_epsilon(router_));
      trace_[base_.slots()[static_cast<std::size_t>(slot)].path] =
          at::zeros_like(logits).scatter_(1, routing.indices, routing.weights);
    }
    return inner_.apply(group, x, std::move(y));
  }

 private:
  const BaseModel& base_;
  const std::map<std::int64_t, at::Tensor>& vectors_;
  const RouterOptions& router_;
  const LinearAdapter& inner_;
  std::map<std::string, at::Tensor>& trace_;
};

}  // namespace

RoutedModel::RoutedModel(std::shared_ptr<const BaseModel> base, BeginOfText bos)
    : RoutedModel(std::move(base), RouterOptions{.bos = bos}, std::make_shared<State>()) {}

RoutedModel::RoutedModel(std::shared_ptr<const BaseModel> base, RouterOptions router,
                         std::shared_ptr<const State> state)
    : base_(std::move(base)), router_(std::move(router)), state_(std::move(state)) {
  const std::span<const ExpertInfo> experts =
      state_->experts ? std::span<const ExpertInfo>(state_->experts->experts) : std::span<const ExpertInfo>();
  beginning_ = std::make_shared<const TextBeginning>(
      base_->tokenizer(), resolve_begin_of_text(router_, experts), base_->eos_id());
}

RoutedModel RoutedModel::with_begin_of_text(BeginOfText bos) const {
  RouterOptions router = router_;
  router.bos = bos;
  return RoutedModel(base_, std::move(router), state_);
}

std::vector<std::int32_t> RoutedModel::prompt_ids(const std::string& prompt) const {
  return quiver::prompt_ids(*this, prompt).ids;
}

RoutedModel RoutedModel::assemble(std::shared_ptr<const BaseModel> base,
                                  std::shared_ptr<const ExpertSet> experts,
                                  std::map<std::int64_t, at::Tensor> vectors, RouterOptions router) {
  validate(router, experts->names());
  auto state = std::make_shared<State>();
  state->experts = experts;
  state->vectors = std::move(vectors);
  switch (router.kind) {
    case RouterKind::kBase:
      break;
    case RouterKind::kOracle:
      for (std::size_t e = 0; e < experts->experts.size(); ++e) {
        state->by_expert.push_back(std::make_unique<LoraAdapter>(*base, single_expert(*experts, e)));
      }
      break;
    case RouterKind::kUniform:
      state->shared = std::make_unique<LoraAdapter>(*base, average_experts(*experts, router.combine));
      break;
    case RouterKind::kSingleExpert:
      state->shared =
          std::make_unique<LoraAdapter>(*base, single_expert(*experts, experts->index_of(router.expert)));
      break;
    case RouterKind::kArrow:
    case RouterKind::kPhatgoose: {
      std::map<std::int64_t, at::Tensor> used = state->vectors;
      if (router.kind == RouterKind::kPhatgoose) {
        for (auto& [slot, gates] : used) gates = standardize_gates(gates);
      }
      state->shared = std::make_unique<MixtureAdapter>(*base, *experts, used, router);
      break;
    }
  }
  return RoutedModel(std::move(base), std::move(router), std::move(state));
}

std::vector<RoutedModel> RoutedModel::compose_all(std::shared_ptr<const BaseModel> base,
                                                  const ExpertLibrary& library,
                                                  std::span<const RouterOptions> routers) {
  const auto is_base = [](const RouterOptions& router) { return router.kind == RouterKind::kBase; };
  std::vector<ExpertWithArtefacts> loaded;
  if (!std::ranges::all_of(routers, is_base)) loaded = load_experts(library, routers);
  std::vector<Expert> all;
  for (const ExpertWithArtefacts& one : loaded) all.push_back(one.expert);
  std::map<ExpertScales, std::shared_ptr<const ExpertSet>> sets;
  std::vector<RoutedModel> models;
  for (const RouterOptions& router : routers) {
    if (is_base(router)) {
      models.emplace_back(base, resolve_begin_of_text(router, {}));
      continue;
    }
    const ExpertScales scales =
        router.compat == Compat::kMttl ? ExpertScales::kOfTheFirst : ExpertScales::kOwn;
    std::shared_ptr<const ExpertSet>& experts = sets[scales];
    if (!experts) experts = make_expert_set(*base, all, scales);
    validate(router, experts->names());
    std::map<std::int64_t, at::Tensor> vectors;
    if (needs_vectors(router.kind))
      vectors = make_routing_vectors(*base, *experts, loaded, router, library.uri());
    models.push_back(assemble(base, experts, std::move(vectors), router));
  }
  return models;
}

RoutedModel RoutedModel::compose(std::shared_ptr<const BaseModel> base, const ExpertLibrary& library,
                                 const RouterOptions& router) {
  return compose_all(std::move(base), library, {&router, 1}).front();
}

std::vector<std::string> RoutedModel::expert_names() const {
  return state_->experts ? state_->experts->names() : std::vector<std::string>();
}

const LinearAdapter* RoutedModel::adapter_for(const std::string& task_name) const {
  if (router_.kind != RouterKind::kOracle) return state_->shared.get();
  if (const auto index = state_->experts->find_task(task_name)) return state_->by_expert[*index].get();
  if (!router_.default_expert.empty()) {
    return state_->by_expert[state_->experts->index_of(router_.default_expert)].get();
  }
  const std::vector<std::string> tasks = state_->experts->tasks();
  const std::string near = did_you_mean(task_name, tasks);
  throw Error(ErrorKind::kNotFound,
              task_name.empty() ? "the oracle router needs a task name for every text"
                                : "no expert was trained on task '" + task_name + "'",
              near.empty() ? "give --default-expert, or route with arrow or uniform" : near);
}

at::Tensor RoutedModel::forward(const RaggedBatch& batch, std::span<const std::string> task_names) const {
  RowRangeAdapter adapter;
  for (std::int64_t s = 0; s < batch.sequences(); ++s) {
    const auto index = static_cast<std::size_t>(s);
    adapter.add(batch.offsets[index], batch.offsets[index + 1],
                adapter_for(index < task_names.size() ? task_names[index] : std::string()));
  }
  return base_->forward(batch, adapter.for_batch(batch.tokens()));
}

std::map<std::string, at::Tensor> RoutedModel::route(const std::string& prompt,
                                                     const std::string& task_name) const {
  const at::NoGradGuard no_gradients;
  RaggedBatch batch;
  batch.add(prompt_ids(prompt));
  std::map<std::string, at::Tensor> trace;
  if (!state_->vectors.empty()) {
    const TracingAdapter adapter(*base_, state_->vectors, router_, *state_->shared, trace);
    base_->forward(batch, &adapter);
    for (const auto& [path, weights] : trace) {
      if (!all_finite(weights)) throw not_finite_error(*base_, batch.ids, state_->shared.get());
    }
    return trace;
  }
  // The other routers choose the same experts for every token and slot.
  if (!state_->experts) return trace;
  const auto experts = static_cast<std::int64_t>(state_->experts->experts.size());
  at::Tensor weights = at::zeros({batch.tokens(), experts});
  if (router_.kind == RouterKind::kUniform) {
    weights.fill_(1.0 / static_cast<double>(experts));
  } else {
    const LinearAdapter* chosen = adapter_for(task_name);
    std::size_t index =
        router_.kind == RouterKind::kSingleExpert ? state_->experts->index_of(router_.expert) : 0;
    while (router_.kind == RouterKind::kOracle && state_->by_expert[index].get() != chosen) ++index;
    weights.select(1, static_cast<std::int64_t>(index)).fill_(1.0);
  }
  for (const auto& [slot, stacked] : state_->experts->slots) {
    trace[base_->slots()[static_cast<std::size_t>(slot)].path] = weights;
  }
  return trace;
}

}  // namespace quiver
