#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "kernels/mixture.h"
#include "modular/routing_vectors.h"
#include "quiver/base_model.h"
#include "routing/expert_set.h"
#include "routing/routers/router_method.h"
#include "routing/sequence_rule.h"

namespace quiver {

// Experts with constant weights for every token: y += sum_e w_e B_e A_e x. Immutable, thread-safe; shares the
// experts' factors.
class WeightedAdapter : public LinearAdapter {
 public:
  WeightedAdapter(const BaseModel& base, const ExpertSet& experts, std::span<const ExpertShare> shares);
  // One LoRA, by slot.
  WeightedAdapter(const BaseModel& base, const std::map<std::int64_t, LoraFactors>& factors);

  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override;

 private:
  std::vector<std::vector<MixtureSlot>> groups_;  // by group index; empty: not adapted
  std::vector<float> weights_;                    // by expert of every slot
};

// Weights per token and slot from routing vectors. Immutable, thread-safe.
class MixtureAdapter : public LinearAdapter {
 public:
  // For every slot that an expert adapts, the vectors as method.prepare leaves them.
  MixtureAdapter(const BaseModel& base, const ExpertSet& experts, const RoutingVectors& routing,
                 const RouterOptions& options);

  // The same with `prior` (E) added to all logits.
  std::shared_ptr<const MixtureAdapter> with_prior(std::vector<float> prior) const;

  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override;
  struct Recorded {
    at::Tensor y;
    at::Tensor
        weights;  // that were used, (T, slots, E) for the group's adapted slots; undefined: it has none
  };
  Recorded apply_recorded(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const;
  // The adapted slots of a group, in the order of apply_recorded.
  std::vector<std::int64_t> slots_of(const LinearGroup& group) const;

 private:
  struct Group {
    std::vector<std::int64_t> indices;  // of `slots`, in BaseModel::slots()
    std::vector<MixtureSlot> slots;     // empty: not adapted
    at::Tensor vectors;                 // (slots E V, in): the routing vectors of every slot
    MixtureRule rule;
  };

  at::Tensor mix(const Group& group, const at::Tensor& x, at::Tensor y, at::Tensor* weights) const;

  std::shared_ptr<const std::vector<Group>> groups_;
  std::vector<float> prior_;
};

// Runs a mixture and hands over the weights that it used wherever all `tokens` of the batch go through it.
class RecordingAdapter : public LinearAdapter {
 public:
  using Sink = std::function<void(const LinearGroup&, const at::Tensor& weights)>;  // (T, slots, E)
  RecordingAdapter(std::shared_ptr<const MixtureAdapter> mixture, std::int64_t tokens, Sink sink)
      : mixture_(std::move(mixture)), tokens_(tokens), sink_(std::move(sink)) {}

  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override;

 private:
  std::shared_ptr<const MixtureAdapter> mixture_;
  std::int64_t tokens_;
  Sink sink_;
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

// sum_e w_e B_e and sum_e w_e A_e as one LoRA per slot, "parameter" combination with constant weights.
// Smaller ranks count as padded with zeros.
std::map<std::int64_t, LoraFactors> merged_factors(const ExpertSet& experts,
                                                   std::span<const ExpertShare> shares);

// As one LoRA per slot, with shares of its own in each: kParameter as above, kOutput stacked, sum_e w_e B_e
// A_e.
std::map<std::int64_t, LoraFactors> joined_factors(
    const ExpertSet& experts, const std::map<std::int64_t, std::vector<ExpertShare>>& shares,
    Combine combine);

}  // namespace quiver
