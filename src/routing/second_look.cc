#include "routing/second_look.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "routing/largest_shares.h"

namespace quiver {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

constexpr double kUnlikeRows = 0.05;  // of the rows themselves, that count as off the subspace
constexpr double kLeastLikeness = 0.4;
constexpr char kLowStart[] = "low.", kDeepStart[] = "deep.", kRankKey[] = "least_rank";

Tensors of_rule(const Tensors& tensors, const std::string& start) {
  Tensors result;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(start)) result[name.substr(start.size())] = tensor;
  }
  return result;
}

void require_alike(bool alike) {
  if (alike) return;
  throw Error(ErrorKind::kInvalidArgument, "a prompt's second look reads two layers of different rows");
}

at::Tensor row(const std::vector<double>& numbers) { return at::tensor(numbers, at::kDouble); }

}  // namespace

SecondLook SecondLook::fit(PromptRule low, PromptRule deep) {
  const at::NoGradGuard no_grad;
  const at::Tensor of_low = low.own_leverage_ranks(), of_deep = deep.own_leverage_ranks();
  require_alike(low.experts() == deep.experts() && of_low.numel() == of_deep.numel());
  const at::Tensor ranks = std::get<0>(at::minimum(of_low, of_deep).sort());
  const auto place = static_cast<std::int64_t>(kUnlikeRows * static_cast<double>(ranks.numel()));
  return {std::move(low), std::move(deep), ranks[place].item<double>()};
}

PromptDecision SecondLook::decide(const PromptRule& first,
                                  const std::map<std::int64_t, at::Tensor>& features) const {
  const at::NoGradGuard no_grad;
  const PromptDecision low = low_.decide(features), deep = deep_.decide(features);
  PromptDecision decision = first.decide(features);
  const at::Tensor log_p = at::log_softmax(
      (row(low.log_probabilities) + row(decision.log_probabilities) + row(deep.log_probabilities)) / 3, 0);
  const at::Tensor likeness = (row(low.likeness) + row(decision.likeness) + row(deep.likeness)) / 3;
  decision.log_probabilities.assign(log_p.data_ptr<double>(), log_p.data_ptr<double>() + log_p.size(0));
  decision.likeness.assign(likeness.data_ptr<double>(), likeness.data_ptr<double>() + likeness.size(0));
  decision.leverage_rank = std::min(low.leverage_rank, deep.leverage_rank);
  const bool belongs =
      decision.leverage_rank >= least_rank_ && likeness.max().item<double>() >= kLeastLikeness;
  decision.is_foreign = first.options().abstains && !belongs;
  decision.shares.clear();
  if (!decision.is_foreign) decision.shares = largest_shares(log_p.exp(), first.options().top_k);
  return decision;
}

std::vector<std::int64_t> SecondLook::layers() const { return {low_.options().layer, deep_.options().layer}; }

Tensors SecondLook::tensors() const {
  Tensors tensors{{kRankKey, at::tensor({least_rank_}, at::kDouble)}};
  for (const auto& [name, tensor] : low_.tensors()) tensors[kLowStart + name] = tensor;
  for (const auto& [name, tensor] : deep_.tensors()) tensors[kDeepStart + name] = tensor;
  return tensors;
}

SecondLook SecondLook::restore(const Tensors& tensors, const PromptRuleOptions& low,
                               const PromptRuleOptions& deep) {
  const auto rank = tensors.find(kRankKey);
  const bool fits = rank != tensors.end() && rank->second.scalar_type() == at::kDouble &&
                    rank->second.numel() == 1 && std::isfinite(rank->second.item<double>());
  if (!fits) {
    throw Error(ErrorKind::kInvalidArgument,
                "a stored prompt rule has no number '" + std::string(kRankKey) + "' for its second look");
  }
  SecondLook look(PromptRule::restore(of_rule(tensors, kLowStart), low),
                  PromptRule::restore(of_rule(tensors, kDeepStart), deep), rank->second.item<double>());
  require_alike(look.low_.experts() == look.deep_.experts() && look.low_.width() == look.deep_.width());
  return look;
}

SecondLook SecondLook::without(std::size_t expert) const {
  return fit(low_.without(expert), deep_.without(expert));
}

}  // namespace quiver
