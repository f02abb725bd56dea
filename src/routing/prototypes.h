#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <vector>

#include "quiver/error.h"

namespace quiver {

// Arrow's prototype of one expert in one slot: the top right singular vector of B A, the input direction that
// the update stretches most (Ostapenko et al. 2024, section 4.1). `a` is (r, in), `b` is (out, r), of any
// floating type; the result is (in) float32 of unit norm. Exact, in float64: an eigenvector
// of the product of the factors' Gram matrices (r, r), or, where squares lose too many digits, an SVD of the
// product of the factors' triangular parts. The sign, free in mathematics, makes the component of largest
// magnitude positive. Throws Error(kInvalidArgument) for shapes that do not fit, numbers that are not finite,
// and a zero update (B = 0, an untrained expert), which has no direction. Thread-safe.
at::Tensor arrow_prototype(const at::Tensor& a, const at::Tensor& b);

// The same for many pairs at once, a[i] (r, in) with b[i] (out, r), on all of ATen's threads. Shapes may
// differ between pairs; equal ones are worked on together. Errors say which pair, counted from 0.
std::vector<at::Tensor> arrow_prototypes(std::span<const at::Tensor> a, std::span<const at::Tensor> b);

// The same vector as PEFT 0.21 approximates it (tuners/lora/arrow.py): 15 power iterations v <- A^T (B^T B)
// (A v) in float32 from a random start that `seed` draws. It is far from converged where the two largest
// singular values are close. Throws as arrow_prototype. Thread-safe.
at::Tensor power_iteration_prototype(const at::Tensor& a, const at::Tensor& b, std::uint64_t seed);

// Refuses to route with prototypes (or gates) that were never computed: an undefined tensor, another number
// of rows than experts, a row of zeros or one with a number that is not finite. `prototypes` is (E, d).
// Throws Error(kInvalidArgument) naming the expert and the slot, with the command that computes them.
void check_prototypes(const at::Tensor& prototypes, std::span<const std::string> expert_names,
                      const std::string& slot);

}  // namespace quiver
