#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "quiver/error.h"
#include "quiver/expert.h"
#include "quiver/router.h"

namespace quiver {

// Which experts each of T tokens uses in one slot, and how much. Rows of `weights` sum to 1.
struct Routing {
  at::Tensor indices;  // (T, k) int64, numbers of experts, no repetition within a row
  at::Tensor weights;  // (T, k) float32
};

// Every function here is pure and thread-safe and works in float32, whatever floating type comes in.

// |x . p_e| / temperature; the absolute value because a prototype's sign means nothing, x as it is (Ostapenko
// et al. 2024, section 4.2). x (T, d), prototypes (E, d); (T, E) float32. temperature <= 0: 1.
at::Tensor arrow_logits(const at::Tensor& x, const at::Tensor& prototypes, double temperature);

// Rows with mean 0 and variance 1 (eps 1e-5, no affine part). gates (E, d); (E, d) float32.
at::Tensor standardize_gates(const at::Tensor& gates);

// LN(x) . LN(v_e) / temperature, LN as in standardize_gates() (Muqeeth et al. 2024, section 3). x (T, d),
// gates (E, d) that went through standardize_gates() once, for a loop over tokens; (T, E) float32.
// temperature <= 0: sqrt(d).
at::Tensor standardized_gate_logits(const at::Tensor& x, const at::Tensor& standardized_gates,
                                    double temperature);

// What the logits of an Arrow or PhatGOOSE router are divided by, for inputs of this width.
double logit_divisor(const RouterOptions& router, std::int64_t width);

// What is added to the sum of the kept weights before they are divided by it: 0, or 1e-6 for
// Compat::kPhatgoose.
double kept_sum_epsilon(const RouterOptions& router);

// The top_k largest logits of each row and the softmax over them. logits (T, E); top_k <= 0: all. Equal
// logits go to the lower expert number. Kept experts stand in falling order, except that all E kept stand as
// 0 .. E-1. NaN logits are taken last and make their row's weights NaN. top_k > E throws
// Error(kInvalidArgument).
// With `kept_sum_epsilon`, the softmax is over all and the kept weights are divided by their sum + epsilon.
Routing top_k_softmax(const at::Tensor& logits, int top_k, double kept_sum_epsilon = 0);

}  // namespace quiver
