#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "routing/expert_set.h"
#include "routing/sequence_rule.h"

namespace quiver {

// The artefact `poly`: an expert's column of Z by module, (C + 1) float32, one row a task of the setting
// `tasks` and the last for all others.
inline constexpr char kPolyKind[] = "poly";

// Z of mttl's poly_router (Ponti et al. 2023, equation 4).
struct PolyLogits {
  std::vector<std::string> tasks = {};             // C
  std::map<std::int64_t, at::Tensor> logits = {};  // by slot: (C + 1, E) float32
};

// (C + 1, E) of the experts' columns. Throws Error(kInvalidArgument) for one of another shape, or with a
// number that is not finite.
at::Tensor join_columns(std::span<const at::Tensor> columns, std::size_t tasks);

// What PolyRule::tensors() gave. Throws Error(kCorruptFile).
PolyLogits poly_from_tensors(const std::map<std::string, at::Tensor>& tensors, const ExpertSet& experts);

// Each slot has weights of its own: w = sigmoid(Z[task]) / (sum sigmoid(Z[task]) + 1e-8); a task that Z does
// not know, or none, has the last row.
class PolyRule : public SequenceRule {
 public:
  explicit PolyRule(PolyLogits poly) : poly_(std::move(poly)) {}

  SequenceNeeds needs() const override { return {.task = true}; }
  SequenceDecision decide(const SequenceInput& input) const override;
  std::map<std::string, at::Tensor> tensors() const override;
  std::shared_ptr<const SequenceRule> without(std::size_t expert) const override;

 private:
  PolyLogits poly_;
};

}  // namespace quiver
