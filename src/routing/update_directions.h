#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/mixture.h"

namespace quiver {

// An expert's update D = B A of one layer, seen from its input.
struct UpdateDirections {
  at::Tensor
      directions;  // (n, in) float32: the right singular vectors of D with a singular value, largest first
  at::Tensor stretched;  // (n, in) float32: each times its singular value; |stretched x| = |D x|
};

// By QR of B and an SVD of what is left, in float64. Directions of less than 1e-6 of the largest singular
// value are left out; a zero update has one direction of zeros. Thread-safe.
UpdateDirections update_directions(const LoraFactors& factors);

}  // namespace quiver
