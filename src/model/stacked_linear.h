#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/block_matrix.h"
#include "kernels/quantised.h"

namespace quiver {

// Linear layers of one group, weights stacked by rows; or an embedding, which is the same matrix looked up by
// row. Immutable, thread-safe.
class StackedLinear {
 public:
  StackedLinear() = default;
  // `blocks`, where defined, are the same weights as their file keeps them.
  explicit StackedLinear(at::Tensor weight, BlockMatrix blocks = {})
      : dense_(std::move(weight)), blocks_(std::move(blocks)) {}
  explicit StackedLinear(QuantisedMatrix weight) : quantised_(std::move(weight)) {}

  // The rows of all parts, which are all dense or all quantised, one below the other, with their biases:
  // (out) in all, or undefined.
  static StackedLinear stack(const std::vector<StackedLinear>& parts, at::Tensor bias);

  // Whether a dense layer has the blocks of its file as well.
  bool has_blocks() const { return blocks_.defined(); }
  void drop_blocks() { blocks_ = {}; }

  bool is_quantised() const { return quantised_.defined(); }
  // (out, in). REQUIRES: not is_quantised().
  const at::Tensor& dense() const;
  const at::Tensor& bias() const { return bias_; }  // (out) or undefined

  // x W^T + bias: (T, in) to (T, out). A quantised layer is not differentiable: throws Error(kUnsupported)
  // when x needs gradients.
  at::Tensor apply(const at::Tensor& x) const;

  // residual + apply(x); in place when no gradients are recorded.
  at::Tensor add_to(at::Tensor residual, const at::Tensor& x) const;

  // Rows of W for the ids: (N, in).
  at::Tensor rows(std::span<const std::int32_t> ids) const;

 private:
  at::Tensor dense_;  // (out, in)
  BlockMatrix blocks_;
  QuantisedMatrix quantised_;
  at::Tensor bias_;  // (out) or undefined
};

}  // namespace quiver
