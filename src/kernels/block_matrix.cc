#include "kernels/block_matrix.h"

#include <algorithm>

#include "core/check.h"
#include "kernels/block_dot_products.h"

namespace quiver {
BlockMatrix::BlockMatrix(QuantisedBlocks blocks) {
  QUIVER_CHECK(blocks.width % kBlockWidth == 0 &&
                   static_cast<std::int64_t>(blocks.bytes.size()) == blocks.rows * blocks.row_bytes(),
               blocks.rows, " x ", blocks.width, " in ", blocks.bytes.size(), " bytes");
  parts_.push_back({std::make_shared<const QuantisedBlocks>(std::move(blocks))});
}

bool BlockMatrix::pays() { return row_loops::has_block_dot_products(); }

BlockMatrix BlockMatrix::stack(std::span<const BlockMatrix> matrices) {
  BlockMatrix result;
  std::int64_t rows = 0;
  for (const BlockMatrix& matrix : matrices) {
    if (!matrix.defined()) return {};
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
  thread_local std::vector<float*> targets;
  targets.assign(out, out + rows);
  for (const Part& part : parts_) {
    const QuantisedBlocks& blocks = *part.blocks;
    const std::int64_t first = std::max(begin, part.first), count = std::min(end, part.end()) - first;
    if (count <= 0) continue;
    row_loops::block_dot_products(x, rows, blocks.format,
                                  blocks.bytes.data() + (first - part.first) * blocks.row_bytes(), count,
                                  blocks.width, targets.data());
    for (float*& target : targets) target += count;
  }
}

}  // namespace quiver
