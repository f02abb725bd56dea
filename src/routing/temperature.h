#pragma once

#include <ATen/core/Tensor.h>

namespace quiver {

// The T that makes softmax(scores / T) most likely to be right: scores (n, E) float64, labels (n) int64, E
// >= 2. Labels count as if one row of n + 1 were wrong, each expert being as likely (Platt 1999's
// correction), so that rows which the scores tell apart do not drive T to 0. Where the scores say nothing or
// the opposite, T is large and the experts alike.
double likeliest_temperature(const at::Tensor& scores, const at::Tensor& labels);

}  // namespace quiver
