#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tensor/quantised_blocks.h"

namespace quiver {

// Frozen weights (out, in) in the blocks of their file, for products with a few rows of float32: reading the
// blocks and expanding them takes less time than reading the float32 weights does. Immutable; copies share
// the blocks. Thread-safe.
class BlockMatrix {
 public:
  BlockMatrix() = default;  // not defined()

  // REQUIRES: supported(), and blocks.bytes has the size that its format and shape ask for.
  explicit BlockMatrix(QuantisedBlocks blocks);

  // Whether this processor has the instructions for the products: AVX2.
  static bool supported();

  // The rows of all matrices, which share `in`, one below the other; not defined() unless all of them are.
  static BlockMatrix stack(std::span<const BlockMatrix> matrices);

  bool defined() const { return !parts_.empty(); }

  // Up to this many rows of x expanding the blocks, again for each eight of them, takes less time than
  // reading float32 weights. Measured by `make bench FILTER=frozen_linear_of_layers` with AVX-512 and with
  // AVX2.
  std::int64_t few_rows() const { return few_rows_; }

  // out[m][n - begin] = sum_i x[m][i] W[n, i] for `rows` row pointers x and n in [begin, end): the bits that
  // row_loops::dot_products gives for the weights expanded to float32. On the calling thread alone.
  void dot_products(const float* const* x, std::int64_t rows, std::int64_t begin, std::int64_t end,
                    float* const* out) const;

 private:
  struct Part {
    std::shared_ptr<const QuantisedBlocks> blocks;
    std::int64_t first = 0;  // row of W
    std::int64_t end() const { return first + blocks->rows; }
  };
  std::vector<Part> parts_;
  std::int64_t few_rows_ = 0;
};

}  // namespace quiver
