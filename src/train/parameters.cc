#include "train/parameters.h"

namespace quiver {

FlatParameters::FlatParameters(const std::vector<Entry>& entries) {
  std::int64_t total = 0;
  for (const Entry& entry : entries) total += entry.initial.numel();
  const auto options = entries.front().initial.options();
  values_ = at::empty({total}, options);
  gradients_ = at::zeros({total}, options);
  std::int64_t begin = 0;
  for (const Entry& entry : entries) {
    const std::int64_t count = entry.initial.numel();
    at::Tensor view = values_.narrow(0, begin, count).view(entry.initial.sizes());
    view.copy_(entry.initial);
    at::Tensor leaf = view.detach();
    leaf.requires_grad_(true);
    leaf.mutable_grad() = gradients_.narrow(0, begin, count).view(entry.initial.sizes());
    leaves_.push_back(leaf);
    begin += count;
  }
}

}  // namespace quiver
