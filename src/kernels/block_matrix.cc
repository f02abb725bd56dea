#include "kernels/block_matrix.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "kernels/block_dot_products.h"

namespace quiver {

BlockMatrix::BlockMatrix(QuantisedBlocks blocks) {
  QUIVER_CHECK(supported(), "no AVX2");
  QUIVER_CHECK(blocks.width % block_width(blocks.format) == 0 &&
                   static_cast<std::int64_t>(blocks.bytes.size()) == blocks.rows * blocks.row_bytes(),
               blocks.rows, " x ", blocks.width, " in ", blocks.bytes.size(), " bytes");
  few_rows_ = block_width(blocks.format) == kBlockWidth ? 32 : 8;  // sub-blocks cost more
  parts_.push_back({std::make_shared<const QuantisedBlocks>(std::move(blocks))});
}

bool BlockMatrix::supported() { return row_loops::has_block_dot_products(); }

BlockMatrix BlockMatrix::stack(std::span<const BlockMatrix> matrices) {
  BlockMatrix result;
  std::int64_t rows = 0;
  for (const BlockMatrix& matrix : matrices) {
    if (!matrix.defined()) return {};
    result.few_rows_ = result.defined() ? std::min(result.few_rows_, matrix.few_rows_) : matrix.few_rows_;
    for (Part part : matrix.parts_) {
      part.first = rows;
      rows = part.end();
      result.parts_.push_back(std::move(part));
    }
  }
  return result;
}

void BlockMatrix::dot_products(const float* const* x, std::int64_t rows, std::int64_t begin, std::int64_t end,
                               float* const* out) const {
  for (const Part& part : parts_) {
    const QuantisedBlocks& blocks = *part.blocks;
    const std::int64_t first = std::max(begin, part.first), last = std::min(end, part.end());
    if (first >= last) continue;
    const char* bytes = blocks.bytes.data() + (first - part.first) * blocks.row_bytes();
    row_loops::block_dot_products(x, rows, {blocks.format, bytes, last - first, blocks.width}, out,
                                  first - begin);
  }
}

}  // namespace quiver
