#include "modular/prompt_routing.h"

#include <ATen/ATen.h>

namespace quiver {

const LinearAdapter* PromptRouting::record(const std::shared_ptr<const LinearAdapter>& adapter,
                                           std::int64_t rows, std::int64_t counted) {
  const auto mixture = std::dynamic_pointer_cast<const MixtureAdapter>(adapter);
  if (!mixture || rows == 0) return adapter.get();
  const MixtureAdapter* const of = mixture.get();
  recorders_.push_back(std::make_unique<RecordingAdapter>(
      mixture, rows, [this, of, counted](const LinearGroup& group, const at::Tensor& weights) {
        const at::Tensor sums = weights.narrow(0, 0, counted).to(at::kDouble).sum(0);  // (slots, E)
        const std::vector<std::int64_t> slots = of->slots_of(group);
        for (std::size_t s = 0; s < slots.size(); ++s) {
          Sum& sum = slots_[slots[s]];
          const at::Tensor own = sums[static_cast<std::int64_t>(s)];
          sum.weights = sum.weights.defined() ? sum.weights + own : own;
          sum.tokens += counted;
        }
      }));
  return recorders_.back().get();
}

void PromptRouting::add(const PromptRouting& before) {
  for (const auto& [slot, other] : before.slots_) {
    Sum& sum = slots_[slot];
    sum.weights = sum.weights.defined() ? sum.weights + other.weights : other.weights;
    sum.tokens += other.tokens;
  }
}

std::vector<double> PromptRouting::mean(std::int64_t tokens) const {
  at::Tensor all;
  std::int64_t slots = 0;
  for (const auto& [slot, sum] : slots_) {
    if (sum.tokens != tokens) continue;  // the last layer's, behind its attention, see some tokens alone
    all = all.defined() ? all + sum.weights : sum.weights;
    ++slots;
  }
  if (slots == 0) return {};
  const at::Tensor mean = (all / static_cast<double>(slots * tokens)).contiguous();
  const double* first = mean.const_data_ptr<double>();
  return {first, first + mean.numel()};
}

}  // namespace quiver
