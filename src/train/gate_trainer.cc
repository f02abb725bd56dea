#include "train/gate_trainer.h"

namespace quiver {

GateTrainer::GateTrainer(const BaseModel& base, const Expert& expert)
    : groups_(stack_by_group(base, std::span(&expert, 1))) {
  std::vector<FlatParameters::Entry> entries;
  for (const StackedGroup& group : groups_) {
    first_parameter_.push_back(entries.size());
    for (const StackedModule& module : group.modules) {
      const LinearSlot& slot = base.slots()[static_cast<std::size_t>(module.slot)];
      entries.push_back({slot.path, at::zeros({slot.in})});
      paths_.push_back(slot.path);
    }
  }
  parameters_ = std::make_unique<FlatParameters>(entries);
}

at::Tensor GateTrainer::apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const {
  const auto index = static_cast<std::size_t>(group.index);
  const StackedGroup& own = groups_[index];
  if (!own.a.defined()) return y;
  const at::Tensor input = x.to(at::kFloat);
  std::vector<at::Tensor> gates;
  for (std::size_t i = 0; i < own.modules.size(); ++i)
    gates.push_back(parameters_->leaf(first_parameter_[index] + i));
  const at::Tensor openness = at::sigmoid(at::mm(input, at::stack(gates).t()));  // (T, slots)
  const at::Tensor per_rank = at::repeat_interleave(openness, own.ranks, 1);     // (T, sum r)
  return add_product(std::move(y), at::mm(input, own.a.t()) * per_rank, own.b);
}

std::map<std::string, at::Tensor> GateTrainer::gates() const {
  std::map<std::string, at::Tensor> result;
  for (std::size_t i = 0; i < paths_.size(); ++i) result[paths_[i]] = parameters_->leaf(i).detach().clone();
  return result;
}

}  // namespace quiver
