#include "modular/routing_trace.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace quiver {

RoutingTrace::RoutingTrace(const RoutedModel& model, const Binding& binding, RoutingRecord kind,
                           std::int64_t prompt)
    : mixture_(std::dynamic_pointer_cast<const MixtureAdapter>(binding.adapter)),
      adapter_(binding.adapter),
      slots_(model.adapted_slots()),
      kind_(kind) {
  const auto experts = static_cast<std::int64_t>(model.expert_names().size());
  prompt_ = at::zeros({prompt, experts});
  if (!mixture_ && experts > 0) constant_ = at::tensor(binding.expert_weights, at::kFloat);
}

std::shared_ptr<const LinearAdapter> RoutingTrace::adapter_for(std::int64_t begin, std::int64_t rows) {
  const std::int64_t again = run_ - begin;  // rows that were recorded before
  const std::int64_t of_prompt = again > 0 ? 0 : std::clamp<std::int64_t>(prompt_.size(0) - begin, 0, rows);
  run_ = begin + rows;
  const std::int64_t experts = prompt_.size(1);
  if (experts == 0 || (of_prompt == 0 && kind_ != RoutingRecord::kSlots)) return adapter_;
  const at::Tensor sums = prompt_.narrow(0, std::min(begin, prompt_.size(0)), of_prompt);
  at::Tensor each;
  if (kind_ == RoutingRecord::kSlots) {
    each = at::zeros({rows, static_cast<std::int64_t>(slots_.size()), experts});
    rows_.push_back(each.slice(0, again));
  }
  if (!mixture_) {
    sums.add_(constant_);
    if (each.defined()) each.add_(constant_);
    return adapter_;
  }
  return std::make_shared<RecordingAdapter>(
      mixture_, rows, [this, sums, each](const LinearGroup& group, const at::Tensor& weights) {
        sums.add_(weights.slice(0, 0, sums.size(0)).sum(1));
        if (!each.defined()) return;
        const std::vector<std::int64_t> own = mixture_->slots_of(group);
        const auto first = std::ranges::lower_bound(slots_, own.front()) - slots_.begin();
        each.narrow(1, first, weights.size(1)).copy_(weights);
      });
}

void RoutingTrace::tell_prompt(SequenceEvent& event) const {
  if (prompt_.size(1) == 0) return;
  const at::Tensor per_expert = prompt_.to(at::kDouble).sum(0).contiguous();
  const double all = per_expert.sum().item<double>();
  const double* own = per_expert.const_data_ptr<double>();
  for (std::int64_t e = 0; e < per_expert.size(0); ++e)
    event.expert_weights.push_back(all > 0 ? own[e] / all : 0);
  const auto [largest, expert] = prompt_.max(1);
  for (std::int64_t t = 0; t < prompt_.size(0); ++t) {
    const bool is_served = largest[t].item<float>() > 0;
    event.token_experts.push_back(is_served ? static_cast<std::int32_t>(expert[t].item<std::int64_t>()) : -1);
  }
}

void RoutingTrace::move_rows(SequenceEvent& event) {
  if (rows_.empty()) return;
  event.routing = at::cat(rows_);
  rows_.clear();
}

}  // namespace quiver
