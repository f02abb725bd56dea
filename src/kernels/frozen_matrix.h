#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tensor/quantized_blocks.h"

namespace quiver {

// Weights (out, in) that nobody trains: a tensor, or the blocks in which a file keeps them. Blocks take a
// half to a seventh of the memory of float32, and products expand them to float32 a few at a time (linear.h).
// Immutable; copies share the weights. Thread-safe.
class FrozenMatrix {
 public:
  FrozenMatrix() = default;         // (0, 0)
  FrozenMatrix(at::Tensor weight);  // not explicit: any matrix is one
  // REQUIRES: blocks.bytes has the size that its format and shape ask for, which is not 0.
  explicit FrozenMatrix(QuantizedBlocks blocks);

  // The rows of all matrices, which share `in`, one below the other: blocks if all are, else a tensor.
  static FrozenMatrix stack(std::span<const FrozenMatrix> matrices);

  bool is_dense() const { return dense_.defined(); }
  const at::Tensor& dense() const;  // REQUIRES: is_dense()

  std::int64_t out() const { return out_; }
  std::int64_t in() const { return in_; }

  // All weights, and the given rows of them (N, in): of dense weights in their type and on their device, of
  // blocks as float32 with the bits of tensor/dequantize.h. REQUIRES: 0 <= ids[i] < out().
  at::Tensor to_dense() const;
  at::Tensor rows(std::span<const std::int32_t> ids) const;

  // Every `stride`-th of the values in row-major order, from the first on: (ceil(out in / stride)) float32.
  // REQUIRES: not is_dense(), stride >= 1.
  at::Tensor every(std::int64_t stride) const;

  // Rows [begin, end) of blocks as float32: (end - begin, in). On the calling thread alone.
  // REQUIRES: not is_dense().
  void expand(std::int64_t begin, std::int64_t end, float* target) const;

  // out[m][n - begin] = sum_i x[m][i] W[n, i] for `rows` row pointers x and n in [begin, end): the bits that
  // row_loops::dot_products gives for the expanded weights. On the calling thread alone.
  // REQUIRES: not is_dense().
  void dot_products(const float* const* x, std::int64_t rows, std::int64_t begin, std::int64_t end,
                    float* const* out) const;

 private:
  struct Part {
    std::shared_ptr<const QuantizedBlocks> blocks;
    std::int64_t first = 0;  // row of W
  };
  template <typename Use>
  void for_parts(std::int64_t begin, std::int64_t end, const Use& use) const;

  std::int64_t out_ = 0, in_ = 0;
  at::Tensor dense_;
  std::vector<Part> parts_;  // where not dense
};

}  // namespace quiver
