#include "modular/adapters.h"

#include <cmath>

namespace quiver {
namespace {

// y[:, column : column + out] += h b, in y's type. h (T, r) and b (r, out) are float32.
void add_product(at::Tensor& y, std::int64_t column, const at::Tensor& h, const at::Tensor& b) {
  at::Tensor part = y.narrow(1, column, b.size(1));
  if (y.scalar_type() == at::kFloat) {
    part.addmm_(h, b);
  } else {
    part.add_(at::mm(h, b).to(y.scalar_type()));
  }
}

}  // namespace

LoraAdapter::LoraAdapter(const BaseModel& base, const std::map<std::int64_t, SlotExperts>& slots)
    : groups_(base.groups().size()) {
  for (const LinearGroup& group : base.groups()) {
    Group& result = groups_[static_cast<std::size_t>(group.index)];
    std::vector<at::Tensor> stacked;
    std::int64_t row = 0;
    for (const std::int64_t slot : group.slots) {
      const auto found = slots.find(slot);
      if (found == slots.end()) continue;
      result.pieces.push_back({found->second.b, base.slots()[static_cast<std::size_t>(slot)].column, row});
      stacked.push_back(found->second.a);
      row += found->second.a.size(0);
    }
    if (!stacked.empty()) result.a = at::cat(stacked);
  }
}

at::Tensor LoraAdapter::apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const {
  const Group& own = groups_[static_cast<std::size_t>(group.index)];
  if (!own.a.defined()) return y;
  const at::Tensor h = at::mm(x.to(at::kFloat), own.a.t());  // (T, sum r)
  for (const Piece& piece : own.pieces)
    add_product(y, piece.column, h.narrow(1, piece.row, piece.b.size(0)), piece.b);
  return y;
}

MixtureAdapter::MixtureAdapter(const BaseModel& base, const std::map<std::int64_t, SlotExperts>& slots,
                               const std::map<std::int64_t, at::Tensor>& vectors, const Options& options)
    : groups_(base.groups().size()) {
  for (const LinearGroup& group : base.groups()) {
    Group& result = groups_[static_cast<std::size_t>(group.index)];
    std::vector<at::Tensor> experts, routing;
    std::int64_t rank = 0;
    for (const std::int64_t slot : group.slots) {
      if (const auto found = slots.find(slot); found != slots.end())
        rank = std::max(rank, found->second.a.size(1));
    }
    for (const std::int64_t slot : group.slots) {
      const auto found = slots.find(slot);
      if (found == slots.end()) continue;
      const std::int64_t missing = rank - found->second.a.size(1);
      experts.push_back(at::constant_pad_nd(found->second.a, {0, 0, 0, missing}).flatten(0, 1));
      routing.push_back(vectors.at(slot));
      result.pieces.push_back(
          {at::constant_pad_nd(found->second.b, {0, 0, 0, missing}).flatten(0, 1).contiguous(),
           base.slots()[static_cast<std::size_t>(slot)].column});
      result.shape.experts = found->second.a.size(0);
    }
    if (experts.empty()) continue;
    experts.insert(experts.end(), routing.begin(), routing.end());
    result.stacked = at::cat(experts);
    result.shape.slots = static_cast<std::int64_t>(result.pieces.size());
    result.shape.rank = rank;
    result.shape.top_k = options.top_k;
    result.shape.logits = options.logits;
    result.shape.temperature =
        options.temperature > 0 ? options.temperature : std::sqrt(static_cast<double>(group.in));
    result.shape.merge_before = options.merge_before;
  }
}

at::Tensor MixtureAdapter::apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const {
  const Group& own = groups_[static_cast<std::size_t>(group.index)];
  if (!own.stacked.defined()) return y;
  const at::Tensor input = x.to(at::kFloat).contiguous();
  at::Tensor products = at::mm(input, own.stacked.t());  // (T, slots (E r + E))
  if (products.device().is_cpu()) {
    mix_experts(products, input, own.shape);
  } else {  // the kernel runs on the CPU; its rows are few
    at::Tensor on_cpu = products.cpu();
    mix_experts(on_cpu, input.cpu(), own.shape);
    products.copy_(on_cpu);
  }
  for (std::size_t slot = 0; slot < own.pieces.size(); ++slot) {
    const std::int64_t width = own.shape.hidden_width();
    add_product(y, own.pieces[slot].column,
                products.narrow(1, static_cast<std::int64_t>(slot) * width, width), own.pieces[slot].b);
  }
  return y;
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
