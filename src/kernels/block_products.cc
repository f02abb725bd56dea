#include "kernels/block_products.h"

#include <memory>

#include "kernels/dot_products.h"
#include "kernels/vector_registers.h"
#include "tensor/gguf_type.h"

namespace quiver::row_loops {
namespace {

void expand_anywhere(const BlockRows& weight, float* target) {
  dequantize(weight.format, weight.bytes, weight.columns * weight.width / block_width(weight.format), target);
}

void dot_products_anywhere(const float* const* x, std::int64_t rows, const BlockRows& weight,
                           float* const* out, std::int64_t first_column) {
  const auto floats = std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(weight.width));
  const auto targets = std::make_unique_for_overwrite<float*[]>(static_cast<std::size_t>(rows));
  const std::int64_t row_bytes = weight.width / block_width(weight.format) * block_bytes(weight.format);
  for (std::int64_t column = 0; column < weight.columns; ++column) {
    expand_anywhere({weight.format, weight.bytes + column * row_bytes, 1, weight.width}, floats.get());
    for (std::int64_t row = 0; row < rows; ++row) targets[row] = out[row] + first_column + column;
    row_loops::dot_products(x, rows, floats.get(), weight.width, 1, weight.width, targets.get());
  }
}

const BlockLoops& best_loops() {
  static const BlockLoops kAnywhere = {expand_anywhere, dot_products_anywhere};
#if defined(__x86_64__)
  if (has_avx512()) return kAvx512BlockLoops;
  if (has_avx2()) return kAvx2BlockLoops;
#endif
  return kAnywhere;
}

}  // namespace

void expand_blocks(const BlockRows& weight, float* target) { best_loops().expand(weight, target); }

void block_dot_products(const float* const* x, std::int64_t rows, const BlockRows& weight, float* const* out,
                        std::int64_t first_column) {
  best_loops().dot_products(x, rows, weight, out, first_column);
}

}  // namespace quiver::row_loops
