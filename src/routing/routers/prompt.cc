#include <cmath>
#include <optional>
#include <set>

#include "quiver/error.h"
#include "routing/prompt_rule.h"
#include "routing/routers/router_method.h"
#include "routing/second_look.h"
#include "routing/statistics.h"

namespace quiver {
namespace {

PromptRuleOptions rule_options(const RouterParts& parts) {
  PromptRuleOptions options;
  const std::string rule = router_setting(parts.options, "rule");
  options.kind = rule == "lda"        ? PromptRuleKind::kLda
                 : rule == "centroid" ? PromptRuleKind::kCentroid
                                      : PromptRuleKind::kRidge;
  const std::string layer = router_setting(parts.options, "layer");
  options.layer = layer.empty() ? statistics_layer(parts.base.layers, 2)
                                : static_cast<std::int64_t>(router_number(parts.options, "layer"));
  options.top_k = parts.options.top_k;
  options.abstains = router_setting(parts.options, "abstain") == "yes";
  options.quantile = router_number(parts.options, "quantile");
  return options;
}

PromptRuleOptions at_layer(PromptRuleOptions options, std::int64_t layer) {
  options.layer = layer;
  return options;
}

PromptRuleOptions low_options(const RouterParts& parts) {
  return at_layer(rule_options(parts), statistics_layer(parts.base.layers, 1));
}

PromptRuleOptions deep_options(const RouterParts& parts) {
  return at_layer(rule_options(parts), statistics_layer(parts.base.layers, 5));
}

bool looks_twice(const RouterParts& parts) { return router_setting(parts.options, "second_look") == "yes"; }

std::map<std::int64_t, at::Tensor> features_of(const SequenceInput& input) {
  std::map<std::int64_t, at::Tensor> features;
  for (const auto& [layer, states] : input.states) features[layer] = pool_prompt(states);
  return features;
}

SequenceDecision as_sequence(const PromptDecision& decision) {
  SequenceDecision result;
  result.is_foreign = decision.is_foreign;
  result.log_probabilities = decision.log_probabilities;
  for (const auto& [expert, weight] : decision.shares) result.shares.push_back({expert, weight});
  return result;
}

// The experts that the base's own hidden states of a prompt name.
class PromptSequenceRule : public SequenceRule {
 public:
  PromptSequenceRule(PromptRule rule, std::optional<SecondLook> second)
      : rule_(std::move(rule)), second_(std::move(second)) {}

  SequenceNeeds needs() const override { return {.layers = rule_.layers()}; }

  SequenceDecision decide(const SequenceInput& input) const override {
    const PromptDecision decision = rule_.decide(features_of(input));
    SequenceDecision result = as_sequence(decision);
    result.is_unsure = second_ && decision.foreignness > rule_.foreignness_threshold();
    return result;
  }

  SequenceNeeds second_needs() const override {
    if (!second_) return {};
    std::set<std::int64_t> layers;  // a layer may have two parts
    for (const std::int64_t layer : rule_.layers()) layers.insert(layer);
    for (const std::int64_t layer : second_->layers()) layers.insert(layer);
    return {.layers = {layers.begin(), layers.end()}};
  }

  SequenceDecision look_again(const SequenceInput& input) const override {
    return as_sequence(second_->decide(rule_, features_of(input)));
  }

  std::map<std::string, at::Tensor> tensors() const override {
    std::map<std::string, at::Tensor> tensors = rule_.tensors();
    if (!second_) return tensors;
    for (const auto& [name, tensor] : second_->tensors()) tensors[kSecondStart + name] = tensor;
    return tensors;
  }

  std::shared_ptr<const SequenceRule> without(std::size_t expert) const override {
    std::optional<SecondLook> second;
    if (second_) second = second_->without(expert);
    return std::make_shared<PromptSequenceRule>(rule_.without(expert), std::move(second));
  }

  static constexpr char kSecondStart[] = "second.";

 private:
  PromptRule rule_;
  std::optional<SecondLook> second_;
};

std::shared_ptr<const SequenceRule> fit(const RouterParts& parts,
                                        std::span<const Artefact* const> artefacts) {
  std::vector<ExpertStatistics> statistics;
  for (std::size_t e = 0; e < artefacts.size(); ++e) {
    statistics.push_back(read_statistics(parts.experts[e].info, artefacts[e]->settings, artefacts[e]->tensors,
                                         parts.base.fingerprint, parts.base.name, parts.uri));
  }
  require_alike(statistics, parts.uri);
  const auto rule_of = [&](const PromptRuleOptions& options) {
    return PromptRule::fit(prompt_rows(statistics, options.layer), parts.experts.size(), options);
  };
  PromptRule first = rule_of(rule_options(parts));
  std::optional<SecondLook> second;
  if (looks_twice(parts)) second = SecondLook::fit(rule_of(low_options(parts)), rule_of(deep_options(parts)));
  return std::make_shared<PromptSequenceRule>(std::move(first), std::move(second));
}

std::optional<SecondLook> restore_second(const RouterParts& parts, const FittedTensors& tensors) {
  if (!looks_twice(parts)) return std::nullopt;
  const std::string start = PromptSequenceRule::kSecondStart;
  FittedTensors own;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(start)) own[name.substr(start.size())] = tensor;
  }
  if (own.empty()) return std::nullopt;  // a folder from before there were second looks
  return SecondLook::restore(own, low_options(parts), deep_options(parts));
}

std::shared_ptr<const SequenceRule> restore(const RouterParts& parts, const FittedTensors& tensors) {
  const PromptRuleOptions options = rule_options(parts);
  PromptRule rule = PromptRule::restore(tensors, options);
  std::optional<SecondLook> second = restore_second(parts, tensors);
  const bool fits = rule.experts() == parts.experts.size() && rule.width() == parts.base.hidden &&
                    options.layer <= parts.base.layers && std::isfinite(rule.temperature()) &&
                    rule.temperature() > 0 &&
                    (!second || (second->experts() == rule.experts() && second->width() == rule.width()));
  if (!fits) {
    throw Error(ErrorKind::kCorruptFile,
                "what the router 'prompt' was fitted to is of " + std::to_string(rule.experts()) +
                    " experts, width " + std::to_string(rule.width()) + " and layer " +
                    std::to_string(options.layer) + "; the model has " +
                    std::to_string(parts.experts.size()) + " experts, width " +
                    std::to_string(parts.base.hidden) + " and " + std::to_string(parts.base.layers) +
                    " layers",
                "compose it again");
  }
  return std::make_shared<PromptSequenceRule>(std::move(rule), std::move(second));
}

}  // namespace

const RouterMethod kPromptRouter = {
    .info = {.name = "prompt",
             .kind = RouterClass::kSequence,
             .help = "the experts that the base's hidden states of the prompt "
                     "name; none where it fits none",
             .combines = true,
             .selects = true,
             .settings =
                 {{.name = "rule",
                   .help = "closed form over the training prompts: ridge, lda or "
                           "centroid",
                   .fallback = "ridge",
                   .words = {"ridge", "lda", "centroid"}},
                  {.name = "layer",
                   .help = "whose input is looked at; default: a third of the depth",
                   .fallback = "",
                   .most = 1e6,
                   .is_whole = true},
                  {.name = "quantile",
                   .help = "a prompt is foreign that is further away than this "
                           "share of the own ones",
                   .fallback = "0.98",
                   .least = 1e-6,
                   .most = 1},
                  {.name = "abstain",
                   .help = "yes: foreign prompts go to the fallback; no: to the experts they are nearest to",
                   .fallback = "yes",
                   .words = {"yes", "no"}},
                  {.name = "second_look",
                   .help = "yes: prompts that seem foreign are looked at again, in a lower and a deeper "
                           "layer, and may be "
                           "known tasks in other words",
                   .fallback = "yes",
                   .words = {"yes", "no"}},
                  {.name = "fallback",
                   .help = "router for foreign prompts; base: no expert",
                   .fallback = "base",
                   .is_text = true}}},
    .set_defaults = [](RouterOptions& options) { options.top_k = 3; },
    .exists_in = [](Compat compat) { return compat == Compat::kNone; },
    .artefact = [](const RouterOptions&) -> std::string { return kStatisticsKind; },
    .command = statistics_command,
    .fit = fit,
    .restore = restore,
};

}  // namespace quiver
