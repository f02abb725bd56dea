#include "quiver/routed_model.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/json.h"
#include "core/strings.h"
#include "model/first_not_finite.h"
#include "modular/bind_experts.h"
#include "modular/prompt_ids.h"
#include "modular/recorded_beginning.h"
#include "modular/routed_model_state.h"
#include "tensor/finite.h"
#include "text/text_beginning.h"

namespace quiver {
namespace {

bool is_base(const RouterOptions& router) { return router.router == kBaseRouter.info.name; }

// Fits a router to the experts of a library, and the one it falls back to.
std::shared_ptr<const FittedRouter> fit_router(const BaseModel& base, const ExpertSet& experts,
                                               const LoadedExperts& loaded, const RouterOptions& router,
                                               const std::string& uri) {
  validate(router, experts.names());
  auto fitted = std::make_shared<FittedRouter>();
  const RouterMethod& method = router_method(router.router);
  if (method.info.kind == RouterClass::kToken) {
    fitted->routing = make_routing_vectors(base, experts, loaded.artefacts, router, uri);
    if (const std::optional<RouterOptions> prior = prior_router(router))
      fitted->rule = fit_router(base, experts, loaded, *prior, uri)->rule;
  } else {
    const BaseFacts facts = base_facts(base);
    fitted->rule =
        method.fit({router, experts, facts, uri}, require_artefacts(experts, loaded.artefacts, router, uri));
  }
  if (const std::optional<RouterOptions> fallback = fallback_router(router))
    fitted->fallback = fit_router(base, experts, loaded, *fallback, uri);
  return fitted;
}

// The rows (E V, d) without those of one expert.
at::Tensor without_rows(const at::Tensor& vectors, std::size_t expert, std::size_t experts) {
  const std::int64_t own = vectors.size(0) / static_cast<std::int64_t>(experts);
  const std::int64_t first = own * static_cast<std::int64_t>(expert);
  return at::cat({vectors.narrow(0, 0, first), vectors.slice(0, first + own)});
}

std::shared_ptr<const FittedRouter> without(const BaseModel& base, const FittedRouter& fitted,
                                            const RouterOptions& router, const ExpertSet& others,
                                            std::size_t expert) {
  validate(router, others.names());
  auto result = std::make_shared<FittedRouter>();
  for (const auto& [slot, vectors] : fitted.routing.vectors)
    result->routing.vectors[slot] = without_rows(vectors, expert, others.size() + 1);
  for (const auto& [slot, lines] : fitted.routing.calibration)
    result->routing.calibration[slot] = without_rows(lines, expert, others.size() + 1);
  if (fitted.rule) result->rule = fitted.rule->without(expert);
  if (fitted.rule && !result->rule) {
    const BaseFacts facts = base_facts(base);
    result->rule = router_method(router.router).fit({router, others, facts}, {});
  }
  if (fitted.fallback)
    result->fallback = without(base, *fitted.fallback, *fallback_router(router), others, expert);
  return result;
}

}  // namespace

RoutedModel::RoutedModel(std::shared_ptr<const BaseModel> base, BeginOfText bos)
    : RoutedModel(base, State::make(*base, {}, RouterOptions{.bos = bos}, nullptr)) {}

RoutedModel::RoutedModel(std::shared_ptr<const BaseModel> base, std::shared_ptr<const State> state)
    : base_(std::move(base)), state_(std::move(state)) {
  beginning_ = std::make_shared<const TextBeginning>(
      base_->tokenizer(), resolve_begin_of_text(state_->router, state_->experts.infos()), base_->eos_id());
}

const RouterOptions& RoutedModel::router() const { return state_->router; }

RoutedModel RoutedModel::with_begin_of_text(BeginOfText bos) const {
  auto state = std::make_shared<State>(*state_);
  state->router.bos = bos;
  return RoutedModel(base_, std::move(state));
}

std::optional<RoutedModel> RoutedModel::with_mixing(const RouterOptions& options) const {
  RouterOptions same = options;
  same.top_k = router().top_k;
  same.temperature = router().temperature;
  same.combine = router().combine;
  if (!state_->mixture || to_json(same) != to_json(router())) return std::nullopt;
  return assemble(base_, state_->experts, options, state_->fitted);
}

std::vector<std::int32_t> RoutedModel::prompt_ids(const std::string& prompt) const {
  return quiver::prompt_ids(*this, prompt).ids;
}

RoutedModel RoutedModel::assemble(std::shared_ptr<const BaseModel> base, ExpertSet experts,
                                  RouterOptions router, std::shared_ptr<const FittedRouter> fitted) {
  validate(router, experts.names());
  std::shared_ptr<const State> state =
      State::make(*base, std::move(experts), std::move(router), std::move(fitted));
  return RoutedModel(std::move(base), std::move(state));
}

std::vector<RoutedModel> RoutedModel::compose_all(std::shared_ptr<const BaseModel> base,
                                                  const ExpertLibrary& library,
                                                  std::span<const RouterOptions> routers) {
  const at::NoGradGuard no_gradients;
  LoadedExperts loaded;
  if (!std::ranges::all_of(routers, is_base)) loaded = load_experts(*base, library, routers);
  std::vector<RoutedModel> models;
  for (const RouterOptions& router : routers)
    models.push_back(compose_loaded(base, loaded, router, library.uri()));
  return models;
}

RoutedModel RoutedModel::compose_loaded(std::shared_ptr<const BaseModel> base, const LoadedExperts& loaded,
                                        const RouterOptions& router, const std::string& uri) {
  const at::NoGradGuard no_gradients;
  if (is_base(router)) return RoutedModel(std::move(base), resolve_begin_of_text(router, {}));
  const ExpertSet& experts = loaded.sets.at(scales_of(router));
  std::shared_ptr<const FittedRouter> fitted = fit_router(*base, experts, loaded, router, uri);
  return assemble(std::move(base), experts, router, std::move(fitted));
}

RoutedModel RoutedModel::compose(std::shared_ptr<const BaseModel> base, const ExpertLibrary& library,
                                 const RouterOptions& router) {
  return compose_all(std::move(base), library, {&router, 1}).front();
}

RoutedModel RoutedModel::without_expert(const std::string& name) const {
  const std::size_t index = state_->experts.index_of(name);
  RouterOptions router = state_->router;
  if (router.default_expert == name) {
    throw Error(ErrorKind::kInvalidArgument,
                "expert '" + name + "' is the default expert and cannot be left out",
                "compose the model with another --default-expert");
  }
  FittedRouter fitted_to = *state_->fitted;
  const std::optional<RouterOptions> fallback = fallback_router(router);
  if (fallback && fallback->expert == name) {
    router.settings["fallback"] = kBaseRouter.info.name;
    fitted_to.fallback = nullptr;
  }
  ExpertSet others = state_->experts.without(index);
  std::shared_ptr<const FittedRouter> fitted = without(*base_, fitted_to, router, others, index);
  return assemble(base_, std::move(others), std::move(router), std::move(fitted));
}

std::vector<std::string> RoutedModel::expert_names() const { return state_->experts.names(); }

std::vector<std::int64_t> RoutedModel::adapted_slots() const { return state_->experts.slots(); }

std::optional<std::size_t> RoutedModel::expert_of_task(const std::string& task_name) const {
  return state_->experts.find_task(task_name);
}

bool RoutedModel::looks_at_prompts() const {
  return !state_->needs.layers.empty() || !state_->needs.slots.empty();
}

Binding RoutedModel::bind(std::span<const std::int32_t> prompt, const std::string& task_name) const {
  PromptRun run(*base_, prompt, task_name);
  return bind(run);
}

Binding RoutedModel::bind(PromptRun& prompt) const { return state_->bind(*base_, prompt); }

at::Tensor RoutedModel::forward(const RaggedBatch& batch, std::span<const std::string> task_names) const {
  RowRangeAdapter adapter;
  std::vector<Binding> bindings;
  for (std::int64_t s = 0; s < batch.sequences(); ++s) {
    const auto index = static_cast<std::size_t>(s);
    const std::int64_t begin = batch.offsets[index], end = batch.offsets[index + 1];
    const std::span<const std::int32_t> ids =
        std::span(batch.ids).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    bindings.push_back(bind(ids, index < task_names.size() ? task_names[index] : std::string()));
    adapter.add(begin, end, bindings.back().adapter.get());
  }
  return base_->forward(batch, adapter.for_batch(batch.tokens()));
}

std::map<std::string, at::Tensor> RoutedModel::route(const std::string& prompt,
                                                     const std::string& task_name) const {
  const at::NoGradGuard no_gradients;
  std::map<std::string, at::Tensor> trace;
  if (state_->experts.empty()) return trace;
  RaggedBatch batch;
  batch.add(prompt_ids(prompt));
  const Binding binding = bind(batch.ids, task_name);
  const auto path = [&](std::int64_t slot) { return base_->slots()[static_cast<std::size_t>(slot)].path; };
  if (const auto mixture = std::dynamic_pointer_cast<const MixtureAdapter>(binding.adapter)) {
    const RecordingAdapter recorder(
        mixture, batch.tokens(), [&](const LinearGroup& group, const at::Tensor& weights) {
          const std::vector<std::int64_t> slots = mixture->slots_of(group);
          for (std::size_t s = 0; s < slots.size(); ++s)
            trace[path(slots[s])] = weights.select(1, static_cast<std::int64_t>(s)).contiguous();
        });
    base_->forward(batch, &recorder);
    for (const auto& [slot, weights] : trace) {
      if (!all_finite(weights)) throw not_finite_error(*base_, batch.ids, mixture.get());
    }
    return trace;
  }
  // One decision for all tokens, mostly for all slots as well.
  for (const std::int64_t slot : state_->experts.slots()) {
    const auto own = binding.slot_weights.find(slot);
    const std::vector<double>& weights =
        own == binding.slot_weights.end() ? binding.expert_weights : own->second;
    trace[path(slot)] = at::tensor(weights, at::kFloat).expand({batch.tokens(), -1}).contiguous();
  }
  return trace;
}

}  // namespace quiver
