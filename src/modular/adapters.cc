#include "modular/adapters.h"

#include <algorithm>

#include "routing/routing.h"

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

// The slots of one group that have experts. Factors without a first dimension of experts get one.
std::vector<MixtureSlot> mixture_slots(const BaseModel& base, const LinearGroup& group,
                                       const std::map<std::int64_t, SlotExperts>& slots) {
  std::vector<MixtureSlot> result;
  for (const std::int64_t slot : group.slots) {
    const auto found = slots.find(slot);
    if (found == slots.end()) continue;
    const at::Tensor a = found->second.a.cpu(), b = found->second.b.cpu();
    const bool single = a.dim() == 2;
    result.push_back({(single ? a.unsqueeze(0) : a).contiguous(), (single ? b.unsqueeze(0) : b).contiguous(),
                      base.slots()[static_cast<std::size_t>(slot)].column});
  }
  return result;
}

}  // namespace

LoraAdapter::LoraAdapter(const BaseModel& base, const std::map<std::int64_t, SlotExperts>& slots) {
  for (const LinearGroup& group : base.groups()) groups_.push_back(mixture_slots(base, group, slots));
}

at::Tensor LoraAdapter::apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const {
  const std::vector<MixtureSlot>& slots = groups_[static_cast<std::size_t>(group.index)];
  if (slots.empty()) return y;
  return add_update(std::move(y), x,
                    [&](at::Tensor& sum, const at::Tensor& input) { add_first_expert(sum, input, slots); });
}

MixtureAdapter::MixtureAdapter(const BaseModel& base, const ExpertSet& experts,
                               const std::map<std::int64_t, at::Tensor>& vectors,
                               const RouterOptions& router) {
  const std::map<std::int64_t, SlotExperts>& slots = experts.slots;
  for (const LinearGroup& group : base.groups()) {
    Group result;
    result.slots = mixture_slots(base, group, slots);
    std::vector<at::Tensor> routing;
    for (const std::int64_t slot : group.slots) {
      if (slots.count(slot) > 0) routing.push_back(vectors.at(slot).cpu());
    }
    if (!routing.empty()) result.vectors = at::cat(routing).contiguous();
    const bool is_arrow = router.kind == RouterKind::kArrow;
    result.rule = {
        .logits = is_arrow ? LogitKind::kAbsolute : LogitKind::kStandardized,
        .top_k = router.top_k > 0 ? router.top_k : static_cast<std::int64_t>(experts.experts.size()),
        .temperature = logit_divisor(router, group.in),
        .merge_before = router.combine == Combine::kParameter,
        .kept_sum_epsilon = kept_sum_epsilon(router)};
    groups_.push_back(std::move(result));
  }
}

at::Tensor MixtureAdapter::apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const {
  const Group& own = groups_[static_cast<std::size_t>(group.index)];
  if (own.slots.empty()) return y;
  return add_update(std::move(y), x, [&](at::Tensor& sum, const at::Tensor& input) {
    add_mixture(sum, input, own.vectors, own.slots, own.rule);
  });
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
    // Inference adapters change the rows where they stand.
    range.adapter->apply(group, x.slice(0, range.begin, range.end), y.slice(0, range.begin, range.end));
  }
  return y;
}

std::unique_ptr<const LinearAdapter> RowRangeAdapter::for_rows(std::span<const std::int64_t> rows) const {
  auto result = std::make_unique<RowRangeAdapter>();
  const auto position = [&](std::int64_t row) { return std::ranges::lower_bound(rows, row) - rows.begin(); };
  for (const Range& range : ranges_) result->add(position(range.begin), position(range.end), range.adapter);
  return result;
}

std::map<std::int64_t, SlotExperts> average_experts(const ExpertSet& experts, Combine combine) {
  std::map<std::int64_t, SlotExperts> result;
  const double count = static_cast<double>(experts.experts.size());
  for (const auto& [slot, stacked] : experts.slots) {
    if (combine == Combine::kParameter) {
      result[slot] = {stacked.a.mean(0), stacked.b.mean(0)};
    } else {
      result[slot] = {stacked.a.flatten(0, 1), stacked.b.flatten(0, 1) / count};
    }
  }
  return result;
}

std::map<std::int64_t, SlotExperts> single_expert(const ExpertSet& experts, std::size_t index) {
  std::map<std::int64_t, SlotExperts> result;
  for (const auto& [slot, stacked] : experts.slots) {
    const auto row = static_cast<std::int64_t>(index);
    result[slot] = {stacked.a[row], stacked.b[row]};
  }
  return result;
}

}  // namespace quiver
