#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/quantised_loops.h"
#include "tensor/quantised_blocks.h"

namespace quiver {

// Frozen weights (out, in) in 8 or 4 bits, in blocks of 32 columns with a half-precision scale (4 bits: and
// perhaps a minimum), laid out for the product below. Immutable; copies share the weights. Thread-safe.
class QuantisedMatrix {
 public:
  QuantisedMatrix() = default;  // (0, 0)

  // Whether there are loops for a format: Q4_0, Q4_1 and Q8_0.
  static bool holds(BlockFormat format);

  // The values of GGUF blocks, exactly. REQUIRES: holds(blocks.format), and blocks.bytes has the size that
  // its format and shape ask for.
  static QuantisedMatrix from_blocks(const QuantisedBlocks& blocks);

  // weight (out, in), rounded to 8 bits: d = max |w| / 127 over a block, w = d q. Throws Error(kUnsupported)
  // when a weight is not finite or too large for a half-precision scale.
  static QuantisedMatrix from_float(const at::Tensor& weight);

  // The rows of all matrices, which share `in`, one below the other; 8-bit and 4-bit rows mix.
  static QuantisedMatrix stack(std::span<const QuantisedMatrix> matrices);

  std::int64_t out() const { return out_; }
  std::int64_t in() const { return in_; }
  bool defined() const { return out_ > 0; }
  std::int64_t bytes() const;  // of memory

  // The weights as float32, for GGUF blocks the bits that GgufFile::read gives: all (out, in), and those of
  // the given rows (N, in). REQUIRES: 0 <= rows[i] < out().
  at::Tensor dequantise() const;
  at::Tensor rows(std::span<const std::int32_t> rows) const;
  // Every `stride`-th of the values in row-major order, from the first on: (ceil(out in / stride)).
  at::Tensor every(std::int64_t stride) const;

  // One panel of up to 16 rows, and the output column of its first row.
  struct PlacedPanel {
    quantised::Panel panel;
    std::int64_t column = 0;
  };
  const std::vector<PlacedPanel>& panels() const { return panels_; }

 private:
  class Builder;
  const PlacedPanel& panel_of(std::int64_t row) const;

  std::int64_t out_ = 0, in_ = 0;
  std::vector<PlacedPanel> panels_;                             // in column order
  std::vector<std::shared_ptr<const std::uint8_t[]>> storage_;  // what the panels point into
};

// x W^T + bias for x (T, in) float32 on the CPU: (T, out). The inputs are rounded to 8 bits, row by row and
// block by block of 32 (absolute maximum / 127); sums within a block are exact. A row of the result does not
// depend on the other rows. Not differentiable.
at::Tensor quantised_linear(const at::Tensor& x, const QuantisedMatrix& weight, const at::Tensor& bias = {});

// y (T, out) += x W^T, in place.
void add_quantised_linear(at::Tensor& y, const at::Tensor& x, const QuantisedMatrix& weight);

// y (T, out) = or += x W^T by the loops of one instruction set.
void quantised_product(const at::Tensor& x, const QuantisedMatrix& weight, at::Tensor& y,
                       quantised::Store store, const quantised::Loops& loops);

}  // namespace quiver
