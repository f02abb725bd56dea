#include <cmath>

#include "quiver/error.h"
#include "routing/prompt_rule.h"
#include "routing/routers/router_method.h"
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
  options.layer = layer.empty() ? parts.base.layers / 3
                                : static_cast<std::int64_t>(router_number(parts.options, "layer"));
  options.top_k = parts.options.top_k;
  options.abstains = router_setting(parts.options, "abstain") == "yes";
  options.quantile = router_number(parts.options, "quantile");
  return options;
}

// The experts that the base's own hidden states of a prompt name.
class PromptSequenceRule : public SequenceRule {
 public:
  explicit PromptSequenceRule(PromptRule rule) : rule_(std::move(rule)) {}

  SequenceNeeds needs() const override { return {.layers = rule_.layers()}; }

  SequenceDecision decide(const SequenceInput& input) const override {
    std::map<std::int64_t, at::Tensor> features;
    for (const std::int64_t layer : rule_.layers()) features[layer] = pool_prompt(input.states.at(layer));
    const PromptDecision decision = rule_.decide(features);
    SequenceDecision result;
    result.is_foreign = decision.is_foreign;
    result.log_probabilities = decision.log_probabilities;
    for (const auto& [expert, weight] : decision.shares) result.shares.push_back({expert, weight});
    return result;
  }

  std::map<std::string, at::Tensor> tensors() const override { return rule_.tensors(); }

  std::shared_ptr<const SequenceRule> without(std::size_t expert) const override {
    return std::make_shared<PromptSequenceRule>(rule_.without(expert));
  }

 private:
  PromptRule rule_;
};

std::shared_ptr<const SequenceRule> fit(const RouterParts& parts,
                                        std::span<const Artefact* const> artefacts) {
  std::vector<ExpertStatistics> statistics;
  for (std::size_t e = 0; e < artefacts.size(); ++e) {
    statistics.push_back(read_statistics(parts.experts[e].info, artefacts[e]->settings, artefacts[e]->tensors,
                                         parts.base.fingerprint, parts.base.name, parts.uri));
  }
  require_alike(statistics, parts.uri);
  const PromptRuleOptions options = rule_options(parts);
  return std::make_shared<PromptSequenceRule>(
      PromptRule::fit(prompt_rows(statistics, options.layer), parts.experts.size(), options));
}

std::shared_ptr<const SequenceRule> restore(const RouterParts& parts, const FittedTensors& tensors) {
  const PromptRuleOptions options = rule_options(parts);
  PromptRule rule = PromptRule::restore(tensors, options);
  const bool fits = rule.experts() == parts.experts.size() && rule.width() == parts.base.hidden &&
                    options.layer <= parts.base.layers && std::isfinite(rule.temperature()) &&
                    rule.temperature() > 0;
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
  return std::make_shared<PromptSequenceRule>(std::move(rule));
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
