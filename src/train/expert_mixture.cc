#include "train/expert_mixture.h"

namespace quiver {

ExpertMixture::ExpertMixture(const BaseModel& base, std::span<const Expert> experts)
    : experts_(experts.size()), groups_(stack_by_group(base, experts)) {
  for (const StackedGroup& group : groups_) {
    std::vector<std::int64_t> experts_of_modules;
    for (const StackedModule& module : group.modules)
      experts_of_modules.push_back(static_cast<std::int64_t>(module.expert));
    owners_.push_back(group.a.defined() ? at::repeat_interleave(at::tensor(experts_of_modules), group.ranks)
                                        : at::Tensor());
  }
}

at::Tensor ExpertMixture::add(const LinearGroup& group, const at::Tensor& x, at::Tensor y,
                              const at::Tensor& weights) const {
  const auto index = static_cast<std::size_t>(group.index);
  const StackedGroup& own = groups_[index];
  if (!own.a.defined()) return y;
  const at::Tensor hidden = at::mm(x.to(at::kFloat), own.a.t());  // (T, sum of ranks)
  return add_product(std::move(y), hidden * weights.index_select(0, owners_[index]), own.b);
}

MixtureTrainer::MixtureTrainer(const ExpertMixture& mixture) : mixture_(mixture) {
  const auto experts = static_cast<std::int64_t>(mixture.experts());
  parameters_ =
      std::make_unique<FlatParameters>(std::vector<FlatParameters::Entry>{{"z", at::zeros({experts})}});
}

at::Tensor MixtureTrainer::weights() const {
  const at::Tensor open = at::sigmoid(parameters_->leaf(0));
  return open / open.sum();
}

}  // namespace quiver
