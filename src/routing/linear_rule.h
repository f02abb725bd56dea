#pragma once

#include <ATen/ATen.h>

namespace quiver {

// A score of every task for a row x: x . w_c + b_c, in float64.
struct LinearRule {
  at::Tensor weights;  // (D, C)
  at::Tensor offsets;  // (C)

  at::Tensor scores(const at::Tensor& x) const { return at::addmm(offsets, x, weights); }  // (n, D); (n, C)
};

}  // namespace quiver
