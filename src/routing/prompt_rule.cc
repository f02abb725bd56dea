#include "routing/prompt_rule.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <sstream>

#include "routing/discriminant.h"
#include "routing/largest_shares.h"
#include "routing/prompt_rule_state.h"
#include "routing/temperature.h"
#include "tensor/finite.h"

namespace quiver {
namespace {

constexpr double kSmallestSquare = 1e-12;  // mean square of a token's state: one that is all zeros stays so
constexpr double kCentroidTemperature = 0.2;  // LoRAuter's
// T is chosen by at most this many scores of rows without themselves, from evenly spaced rows.
constexpr std::int64_t kTemperatureScores = std::int64_t{1} << 24;

// The largest score of each expert's tasks. scores (n, C), owners (C); (n, E).
at::Tensor expert_scores(const at::Tensor& scores, const at::Tensor& owners, std::int64_t experts) {
  const at::Tensor lowest =
      at::full({scores.size(0), experts}, -std::numeric_limits<double>::infinity(), at::kDouble);
  return lowest.scatter_reduce(1, owners.expand_as(scores), scores, "amax");
}

Products products_for(const PromptSample& sample, const PromptRuleOptions& options) {
  const bool needed =
      options.kind == PromptRuleKind::kLda || ridge_needs_products(sample.count(), sample.width());
  return needed ? Products::kYes : Products::kNo;
}

}  // namespace

at::Tensor pool_prompt(const at::Tensor& hidden) {
  const at::NoGradGuard no_grad;
  const at::Tensor states = hidden.to(at::kDouble);
  const at::Tensor pooled =
      (states * states.square().mean(1, /*keepdim=*/true).add(kSmallestSquare).rsqrt()).mean(0);
  if (!all_finite(pooled)) {
    throw Error(ErrorKind::kNotFinite, "a prompt's hidden states hold a number that is not finite");
  }
  return pooled.to(at::kFloat);
}

PromptRule PromptRule::fit(const PromptRows& rows, std::size_t experts, const PromptRuleOptions& options) {
  const at::NoGradGuard no_grad;
  check_choice(experts, options);
  PromptSample sample = check_sample(rows, experts, options.layer);
  PromptSums sums = sum_rows(sample, products_for(sample, options));
  return State::fit(std::move(sample), std::move(sums), options);
}

PromptRule PromptRule::without(std::size_t expert) const {
  const at::NoGradGuard no_grad;
  const PromptRuleOptions& options = state_->options;
  if (expert >= experts()) {
    throw Error(ErrorKind::kInvalidArgument,
                "expert " + std::to_string(expert) + " of " + std::to_string(experts()) + " does not exist");
  }
  check_choice(experts() - 1, options);
  const auto index = static_cast<std::int64_t>(expert);
  auto [kept, taken] = split_expert(state_->sample, index);
  const Products products = products_for(kept, options);
  // A restored rule has no sums to correct.
  PromptSums sums = state_->sums.totals.defined()
                        ? split_sums(state_->sums, sum_rows(taken, products), state_->sample.owners != index)
                        : sum_rows(kept, products);
  return State::fit(std::move(kept), std::move(sums), options);
}

PromptRule PromptRule::with(const PromptRows& more, std::size_t more_experts) const {
  const at::NoGradGuard no_grad;
  const PromptRuleOptions& options = state_->options;
  const PromptSample added = check_sample(more, more_experts, options.layer);
  PromptSample joined = join_samples(state_->sample, added);
  const Products products = products_for(joined, options);
  const PromptSums& own = state_->sums;
  const bool corrects = own.totals.defined() && (products == Products::kNo || own.products.defined());
  PromptSums sums = corrects ? join_sums(own, sum_rows(added, products)) : sum_rows(joined, products);
  return State::fit(std::move(joined), std::move(sums), options);
}

PromptRule PromptRule::State::fit(PromptSample sample, PromptSums sums, const PromptRuleOptions& options) {
  auto state = std::make_shared<State>();
  state->options = options;
  state->ridge = fit_ridge(sums, sample);
  std::optional<DiscriminantRule> discriminant;
  if (options.kind == PromptRuleKind::kLda) discriminant = fit_discriminant(sums, sample, options.shrinkage);
  const std::int64_t stride = 1 + sample.count() * sample.experts / kTemperatureScores;

  std::vector<at::Tensor> largest, leverages, scores, labels;
  std::int64_t first = 0;  // of the chunk's rows that T is chosen by
  sample.visit_chunks([&](const at::Tensor& x, const at::Tensor& tasks) {
    const LeftOut left_out = leave_out(state->ridge, x, tasks);
    largest.push_back(left_out.scores.amax(1));
    leverages.push_back(left_out.leverages);
    const auto some = [&](const at::Tensor& tensor) { return tensor.slice(0, first, std::nullopt, stride); };
    const at::Tensor judged = discriminant ? leave_out(*discriminant, x, tasks) : left_out.scores;
    scores.push_back(expert_scores(some(judged), sample.owners, sample.experts));
    labels.push_back(some(sample.owners.index_select(0, tasks)));
    first = ((first - x.size(0)) % stride + stride) % stride;
  });
  state->leverages = at::cat(leverages).contiguous();
  state->foreign = make_foreignness_scale(at::cat(largest), state->leverages);
  if (discriminant) {
    state->rule = discriminant->linear;
  } else if (options.kind == PromptRuleKind::kCentroid) {
    const at::Tensor means = sums.totals / at::linalg_vector_norm(sums.totals, 2, {1}, /*keepdim=*/true);
    state->rule = {.weights = means.t().contiguous(),
                   .offsets = at::zeros({sample.task_count()}, at::kDouble)};
  } else {
    state->rule = state->ridge.linear;
  }
  state->temperature = options.kind == PromptRuleKind::kCentroid
                           ? kCentroidTemperature
                           : likeliest_temperature(at::cat(scores), at::cat(labels));
  state->sample = std::move(sample);
  state->sums = std::move(sums);
  return PromptRule(std::move(state));
}

PromptDecision PromptRule::decide(const std::map<std::int64_t, at::Tensor>& features) const {
  const at::NoGradGuard no_grad;
  const auto found = features.find(state_->options.layer);
  if (found == features.end() || !found->second.defined()) {
    throw Error(ErrorKind::kInvalidArgument,
                "a prompt has no hidden states of layer " + std::to_string(state_->options.layer));
  }
  const at::Tensor x = state_->checked_rows(found->second.reshape({1, -1}));  // (1, D)
  const at::Tensor scores = state_->rule.scores(x);                           // (1, C)
  const PromptSample& sample = state_->sample;
  const at::Tensor of_experts = expert_scores(scores, sample.owners, sample.experts)[0];  // (E)
  const at::Tensor log_p = at::log_softmax(of_experts / state_->temperature, 0);

  PromptDecision decision;
  decision.log_probabilities.assign(log_p.data_ptr<double>(), log_p.data_ptr<double>() + log_p.size(0));
  const at::Tensor likeness =
      state_->options.kind == PromptRuleKind::kRidge
          ? of_experts
          : expert_scores(state_->ridge.linear.scores(x), sample.owners, sample.experts)[0].contiguous();
  decision.likeness.assign(likeness.data_ptr<double>(), likeness.data_ptr<double>() + likeness.size(0));
  const double leverage = state_->ridge.leverages(x).item<double>();
  decision.leverage_rank = state_->foreign.leverage_rank(leverage);
  decision.foreignness = state_->foreign.foreignness(likeness.max().item<double>(), leverage);
  decision.is_foreign = state_->options.abstains && decision.foreignness > foreignness_threshold();
  if (!decision.is_foreign) decision.shares = largest_shares(log_p.exp(), state_->options.top_k);
  return decision;
}

at::Tensor PromptRule::own_leverage_ranks() const {
  at::Tensor ranks = at::empty_like(state_->leverages);
  for (std::int64_t row = 0; row < ranks.numel(); ++row) {
    ranks.data_ptr<double>()[row] = state_->foreign.leverage_rank(state_->leverages.data_ptr<double>()[row]);
  }
  return ranks;
}

at::Tensor PromptRule::task_scores(const at::Tensor& rows) const {
  return state_->rule.scores(state_->checked_rows(rows));
}

at::Tensor PromptRule::State::checked_rows(const at::Tensor& rows) const {
  if (rows.dim() != 2 || rows.size(1) != sample.width()) {
    throw Error(ErrorKind::kInvalidArgument, "hidden states of " + std::to_string(rows.size(-1)) +
                                                 " numbers do not fit the rule's, of " +
                                                 std::to_string(sample.width()));
  }
  return unit_rows(rows);
}

std::vector<std::int64_t> PromptRule::layers() const { return {state_->options.layer}; }
const PromptRuleOptions& PromptRule::options() const { return state_->options; }
std::int64_t PromptRule::width() const { return state_->sample.width(); }

std::size_t PromptRule::experts() const { return static_cast<std::size_t>(state_->sample.experts); }
double PromptRule::temperature() const { return state_->temperature; }
double PromptRule::foreignness_threshold() const {
  return state_->foreign.threshold(state_->options.quantile);
}

}  // namespace quiver
