#include "modular/adapters.h"

#include <algorithm>

namespace quiver {
namespace {

// Lets `add(y, x)` work on float32 rows on the CPU, whatever y's type and place are.
template <typename Add>
at::Tensor add_update(at::Tensor y, const at::Tensor& x, const Add& add) {
  if (y.device().is_cpu() && y.scalar_type() == at::kFloat) {
    add(y, x);
    return y;
  }
  at::Tensor update = at::zeros(y.sizes(), at::kFloat);
  add(update, x.to(at::kCPU, at::kFloat).contiguous());
  return y.add_(update.to(y.options()));
}

// The factors of these experts in one slot.
std::vector<LoraFactors> factors_in(const ExpertSet& experts, std::span<const ExpertShare> shares,
                                    std::int64_t slot) {
  std::vector<LoraFactors> result;
  for (const ExpertShare& share : shares) {
    const auto found = experts[share.expert].factors.find(slot);
    result.push_back(found == experts[share.expert].factors.end() ? LoraFactors{} : found->second);
  }
  return result;
}

// (E V, d) with rows of zeros, which change no norm, so that each of `experts` has `vectors`.
at::Tensor with_vectors(const at::Tensor& rows, std::int64_t experts, std::int64_t vectors) {
  const at::Tensor own = rows.view({experts, rows.size(0) / experts, rows.size(1)});
  return at::constant_pad_nd(own, {0, 0, 0, vectors - own.size(1)}).view({experts * vectors, rows.size(1)});
}

// (q - mean) / deviation of each expert's logit, which comes divided by the temperature.
std::vector<LogitLine> lines_of(const RoutingVectors& routing, std::span<const std::int64_t> slots,
                                double temperature) {
  std::vector<LogitLine> lines;
  for (const std::int64_t slot : slots) {
    const auto found = routing.calibration.find(slot);
    if (found == routing.calibration.end()) return {};
    const at::Tensor values = found->second.to(at::kCPU, at::kFloat).contiguous();  // (E, 2)
    const float* value = values.const_data_ptr<float>();
    for (std::int64_t e = 0; e < values.size(0); ++e, value += 2)
      lines.push_back({1 / value[1], static_cast<float>(-value[0] / (value[1] * temperature))});
  }
  return lines;
}

// sum_e w_e A_e and sum_e w_e B_e.
LoraFactors merged(const std::vector<LoraFactors>& factors, std::span<const ExpertShare> shares) {
  std::int64_t rank = 0;
  for (const LoraFactors& one : factors) rank = std::max(rank, one.a.defined() ? one.a.size(0) : 0);
  LoraFactors sum;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    if (!factors[i].a.defined()) continue;
    if (!sum.a.defined()) {
      sum.a = at::zeros({rank, factors[i].a.size(1)});
      sum.b = at::zeros({rank, factors[i].b.size(1)});
    }
    const std::int64_t own = factors[i].a.size(0);
    sum.a.narrow(0, 0, own).add_(factors[i].a, shares[i].weight);
    sum.b.narrow(0, 0, own).add_(factors[i].b, shares[i].weight);
  }
  return sum;
}

// sum_e w_e B_e A_e as one.
LoraFactors stacked(const std::vector<LoraFactors>& factors, std::span<const ExpertShare> shares) {
  std::vector<at::Tensor> a, b;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    if (!factors[i].a.defined()) continue;
    a.push_back(factors[i].a);
    b.push_back(factors[i].b * shares[i].weight);
  }
  return {at::cat(a), at::cat(b)};
}

bool adapts(const std::vector<LoraFactors>& factors) {
  return std::ranges::any_of(factors, [](const LoraFactors& one) { return one.a.defined(); });
}

}  // namespace

WeightedAdapter::WeightedAdapter(const BaseModel& base, const ExpertSet& experts,
                                 std::span<const ExpertShare> shares) {
  for (const ExpertShare& share : shares) weights_.push_back(static_cast<float>(share.weight));
  for (const LinearGroup& group : base.groups()) {
    std::vector<MixtureSlot>& slots = groups_.emplace_back();
    for (const std::int64_t slot : group.slots) {
      std::vector<LoraFactors> factors = factors_in(experts, shares, slot);
      if (adapts(factors))
        slots.emplace_back(std::move(factors), base.slots()[static_cast<std::size_t>(slot)].column);
    }
  }
}

WeightedAdapter::WeightedAdapter(const BaseModel& base, const std::map<std::int64_t, LoraFactors>& factors)
    : weights_{1.0f} {
  for (const LinearGroup& group : base.groups()) {
    std::vector<MixtureSlot>& slots = groups_.emplace_back();
    for (const std::int64_t slot : group.slots) {
      const auto found = factors.find(slot);
      if (found == factors.end()) continue;
      slots.emplace_back(std::vector<LoraFactors>{found->second},
                         base.slots()[static_cast<std::size_t>(slot)].column);
    }
  }
}

at::Tensor WeightedAdapter::apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const {
  const std::vector<MixtureSlot>& slots = groups_[static_cast<std::size_t>(group.index)];
  if (slots.empty()) return y;
  return add_update(std::move(y), x, [&](at::Tensor& sum, const at::Tensor& input) {
    add_weighted(sum, input, slots, weights_);
  });
}

MixtureAdapter::MixtureAdapter(const BaseModel& base, const ExpertSet& experts, const RoutingVectors& routing,
                               const RouterOptions& options) {
  std::vector<ExpertShare> all;
  for (std::size_t e = 0; e < experts.size(); ++e) all.push_back({e, 1});
  const auto count = static_cast<std::int64_t>(experts.size());
  auto groups = std::make_shared<std::vector<Group>>();
  for (const LinearGroup& group : base.groups()) {
    Group result;
    std::vector<at::Tensor> vectors;
    for (const std::int64_t slot : group.slots) {
      std::vector<LoraFactors> factors = factors_in(experts, all, slot);
      if (!adapts(factors)) continue;
      result.indices.push_back(slot);
      result.slots.emplace_back(std::move(factors), base.slots()[static_cast<std::size_t>(slot)].column);
      vectors.push_back(routing.vectors.at(slot).cpu());
    }
    result.rule = router_method(options.router).rule(options, group.in);
    result.rule.top_k = options.top_k > 0 ? options.top_k : count;
    result.rule.merge_before = options.combine == Combine::kParameter;
    if (!vectors.empty()) {
      for (const at::Tensor& own : vectors)
        result.rule.vectors = std::max(result.rule.vectors, own.size(0) / count);
      for (at::Tensor& own : vectors) own = with_vectors(own, count, result.rule.vectors);
      result.vectors = at::cat(vectors).contiguous();
      result.rule.lines = lines_of(routing, result.indices, result.rule.temperature);
    }
    groups->push_back(std::move(result));
  }
  groups_ = std::move(groups);
}

std::shared_ptr<const MixtureAdapter> MixtureAdapter::with_prior(std::vector<float> prior) const {
  auto result = std::make_shared<MixtureAdapter>(*this);
  result->prior_ = std::move(prior);
  return result;
}

at::Tensor MixtureAdapter::mix(const Group& group, const at::Tensor& x, at::Tensor y,
                               at::Tensor* weights) const {
  return add_update(std::move(y), x, [&](at::Tensor& sum, const at::Tensor& input) {
    if (prior_.empty()) {
      add_mixture(sum, input, group.vectors, group.slots, group.rule, weights);
    } else {
      MixtureRule rule = group.rule;
      rule.prior = prior_;
      add_mixture(sum, input, group.vectors, group.slots, rule, weights);
    }
  });
}

at::Tensor MixtureAdapter::apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const {
  const Group& own = (*groups_)[static_cast<std::size_t>(group.index)];
  return own.slots.empty() ? y : mix(own, x, std::move(y), nullptr);
}

MixtureAdapter::Recorded MixtureAdapter::apply_recorded(const LinearGroup& group, const at::Tensor& x,
                                                        at::Tensor y) const {
  const Group& own = (*groups_)[static_cast<std::size_t>(group.index)];
  if (own.slots.empty()) return {std::move(y), {}};
  at::Tensor weights =
      at::zeros({x.size(0), static_cast<std::int64_t>(own.slots.size()), own.slots[0].count()});
  at::Tensor result = mix(own, x, std::move(y), &weights);
  return {std::move(result), std::move(weights)};
}

std::vector<std::int64_t> MixtureAdapter::slots_of(const LinearGroup& group) const {
  return (*groups_)[static_cast<std::size_t>(group.index)].indices;
}

at::Tensor RecordingAdapter::apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const {
  if (x.size(0) != tokens_) return mixture_->apply(group, x, std::move(y));
  MixtureAdapter::Recorded recorded = mixture_->apply_recorded(group, x, std::move(y));
  if (recorded.weights.defined()) sink_(group, recorded.weights);
  return std::move(recorded.y);
}

void RowRangeAdapter::add(std::int64_t begin, std::int64_t end, const LinearAdapter* adapter) {
  if (!ranges_.empty() && ranges_.back().end == begin && ranges_.back().adapter == adapter) {
    ranges_.back().end = end;
  } else {
    ranges_.push_back({begin, end, adapter});
  }
}

const LinearAdapter* RowRangeAdapter::for_batch(std::int64_t tokens) const {
  if (ranges_.size() == 1 && ranges_[0].begin == 0 && ranges_[0].end == tokens) return ranges_[0].adapter;
  return this;
}

at::Tensor RowRangeAdapter::apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const {
  for (const Range& range : ranges_) {
    if (range.adapter == nullptr || range.begin == range.end) continue;
    const at::Tensor rows = y.slice(0, range.begin, range.end);
    const at::Tensor changed = range.adapter->apply(group, x.slice(0, range.begin, range.end), rows);
    if (!changed.is_same(rows)) rows.copy_(changed);  // most adapters change the rows where they stand
  }
  return y;
}

std::unique_ptr<const LinearAdapter> RowRangeAdapter::for_rows(std::span<const std::int64_t> rows) const {
  auto result = std::make_unique<RowRangeAdapter>();
  const auto position = [&](std::int64_t row) { return std::ranges::lower_bound(rows, row) - rows.begin(); };
  for (const Range& range : ranges_) result->add(position(range.begin), position(range.end), range.adapter);
  return result;
}

std::map<std::int64_t, LoraFactors> merged_factors(const ExpertSet& experts,
                                                   std::span<const ExpertShare> shares) {
  std::map<std::int64_t, LoraFactors> result;
  for (const std::int64_t slot : experts.slots()) {
    const std::vector<LoraFactors> factors = factors_in(experts, shares, slot);
    if (adapts(factors)) result[slot] = merged(factors, shares);
  }
  return result;
}

std::map<std::int64_t, LoraFactors> joined_factors(
    const ExpertSet& experts, const std::map<std::int64_t, std::vector<ExpertShare>>& shares,
    Combine combine) {
  std::map<std::int64_t, LoraFactors> result;
  for (const auto& [slot, own] : shares) {
    const std::vector<LoraFactors> factors = factors_in(experts, own, slot);
    if (!adapts(factors)) continue;
    result[slot] = combine == Combine::kParameter ? merged(factors, own) : stacked(factors, own);
  }
  return result;
}

}  // namespace quiver
