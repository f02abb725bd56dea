#pragma once

#include "kernels/mixture.h"

namespace quiver {

// The rules of mixture.h once more, in ATen operators: what the kernel is tested against. Routers prepare
// their vectors with standardized_rows().

// The logits (T, E) float32 of one slot, number `slot` of rule.lines. x (T, d) of any floating type, vectors
// (E rule.vectors, d). Throws Error(kInvalidArgument) for widths that differ.
at::Tensor mixture_logits(const at::Tensor& x, const at::Tensor& vectors, const MixtureRule& rule,
                          std::int64_t slot = 0);

// The weights (T, E) float32 that follow from logits (T, E); 0 for experts that are not chosen. Equal logits
// go to the lower expert number; NaN logits are taken last and make their row's weights NaN. Throws
// Error(kInvalidArgument) for a top_k above E; one below 1 means all.
at::Tensor mixture_weights(const at::Tensor& logits, const MixtureRule& rule);

// sum_e w_e B_e A_e x, or with merge_before (sum_e w_e B_e) (sum_f w_f A_f) x: (T, out) float32 for x (T, d)
// and weights (T, E).
at::Tensor mixture_update(const at::Tensor& x, const MixtureSlot& slot, const at::Tensor& weights,
                          bool merge_before);

// Rows with mean 0 and variance 1, eps 1e-5, no affine part, in float32: what the vectors of
// RouterInput::kStandardized have to be.
at::Tensor standardized_rows(const at::Tensor& rows);

// As add_mixture and add_weighted, on any device and for any floating type of y and x.
void add_mixture_reference(at::Tensor& y, const at::Tensor& x, const at::Tensor& vectors,
                           std::span<const MixtureSlot> slots, const MixtureRule& rule,
                           at::Tensor* weights = nullptr);
void add_weighted_reference(at::Tensor& y, const at::Tensor& x, std::span<const MixtureSlot> slots,
                            std::span<const float> weights);

}  // namespace quiver
