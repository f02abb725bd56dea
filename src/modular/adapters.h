#pragma once

#include <map>
#include <memory>
#include <vector>

#include "kernels/mixture.h"
#include "modular/expert_set.h"
#include "quiver/base_model.h"

namespace quiver {

// One LoRA for every token, without gradients: an expert, or experts averaged beforehand. Immutable,
// thread-safe.
class LoraAdapter : public LinearAdapter {
 public:
  // Per slot index: a (r, in) and b (r, out) float32 with the scale folded in.
  LoraAdapter(const BaseModel& base, const std::map<std::int64_t, SlotExperts>& slots);

  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override;

 private:
  std::vector<std::vector<MixtureSlot>> groups_;  // by group index, one expert each; empty: not adapted
};

// Weights per token and slot from routing vectors: Arrow or PhatGOOSE. Immutable, thread-safe.
class MixtureAdapter : public LinearAdapter {
 public:
  // vectors: (E, in) by slot index, for the same slots as the experts; standardized already for PhatGOOSE.
  MixtureAdapter(const BaseModel& base, const ExpertSet& experts,
                 const std::map<std::int64_t, at::Tensor>& vectors, const RouterOptions& router);

  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override;

 private:
  struct Group {
    std::vector<MixtureSlot> slots;  // empty: not adapted
    at::Tensor vectors;              // (slots E, in): the routing vectors of every slot
    MixtureRule rule;
  };
  std::vector<Group> groups_;
};

// Different adapters for different rows of one batch: how requests with different routers or tasks share it.
class RowRangeAdapter : public LinearAdapter {
 public:
  // Rows [begin, end) go through `adapter`; null leaves them as the base computes them.
  struct Range {
    std::int64_t begin, end;
    const LinearAdapter* adapter;
  };
  void add(std::int64_t begin, std::int64_t end, const LinearAdapter* adapter);
  // The adapter to give to BaseModel::forward: null when no row has one, the only one when all rows share it.
  const LinearAdapter* for_batch(std::int64_t tokens) const;

  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override;
  std::unique_ptr<const LinearAdapter> for_rows(std::span<const std::int64_t> rows) const override;

 private:
  std::vector<Range> ranges_;
};

// The mean of all experts as one LoRA per slot. `output`: the mean of the updates B_e A_e, a LoRA of rank E
// r; `parameter`: mean B times mean A.
std::map<std::int64_t, SlotExperts> average_experts(const ExpertSet& experts, Combine combine);

// One expert of the set as one LoRA per slot.
std::map<std::int64_t, SlotExperts> single_expert(const ExpertSet& experts, std::size_t index);

}  // namespace quiver
