#include "kernels/frozen_matrix.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "kernels/block_products.h"
#include "kernels/fused.h"

namespace quiver {

FrozenMatrix::FrozenMatrix(at::Tensor weight)
    : out_(weight.size(0)), in_(weight.size(1)), dense_(std::move(weight)) {}

FrozenMatrix::FrozenMatrix(QuantizedBlocks blocks) : out_(blocks.rows), in_(blocks.width) {
  QUIVER_CHECK(out_ > 0 && in_ > 0 && blocks.width % block_width(blocks.format) == 0 &&
                   static_cast<std::int64_t>(blocks.bytes.size()) == blocks.rows * blocks.row_bytes(),
               blocks.rows, " x ", blocks.width, " in ", blocks.bytes.size(), " bytes");
  parts_.push_back({std::make_shared<const QuantizedBlocks>(std::move(blocks))});
}

FrozenMatrix FrozenMatrix::stack(std::span<const FrozenMatrix> matrices) {
  if (matrices.size() == 1) return matrices[0];
  if (std::ranges::any_of(matrices, &FrozenMatrix::is_dense)) {
    std::vector<at::Tensor> weights;
    for (const FrozenMatrix& matrix : matrices) weights.push_back(matrix.to_dense());
    return at::cat(weights);
  }
  FrozenMatrix result;
  for (const FrozenMatrix& matrix : matrices) {
    QUIVER_CHECK(result.out_ == 0 || matrix.in_ == result.in_, matrix.in_, " and ", result.in_, " columns");
    result.in_ = matrix.in_;
    for (Part part : matrix.parts_) {
      part.first += result.out_;
      result.parts_.push_back(std::move(part));
    }
    result.out_ += matrix.out_;
  }
  return result;
}

const at::Tensor& FrozenMatrix::dense() const {
  QUIVER_CHECK(is_dense(), "blocks have no tensor");
  return dense_;
}

at::Tensor FrozenMatrix::to_dense() const {
  if (is_dense()) return dense_;
  at::Tensor result = at::empty({out_, in_}, at::kFloat);
  float* target = result.mutable_data_ptr<float>();
  at::parallel_for(0, out_, row_grain(in_),
                   [&](std::int64_t begin, std::int64_t end) { expand(begin, end, target + begin * in_); });
  return result;
}

at::Tensor FrozenMatrix::rows(std::span<const std::int32_t> ids) const {
  if (is_dense()) {
    const at::Tensor index = at::tensor(std::vector<std::int64_t>(ids.begin(), ids.end()));
    return dense_.index_select(0, index.to(dense_.device()));
  }
  at::Tensor result = at::empty({static_cast<std::int64_t>(ids.size()), in_}, at::kFloat);
  float* target = result.mutable_data_ptr<float>();
  for (const std::int64_t id : ids) {
    expand(id, id + 1, target);
    target += in_;
  }
  return result;
}

at::Tensor FrozenMatrix::every(std::int64_t stride) const {
  at::Tensor result = at::empty({(out_ * in_ + stride - 1) / stride}, at::kFloat);
  float* target = result.mutable_data_ptr<float>();
  std::vector<float> row(static_cast<std::size_t>(in_));
  for (std::int64_t i = 0, expanded = -1; i < out_ * in_; i += stride) {
    if (i / in_ != expanded) {
      expanded = i / in_;
      expand(expanded, expanded + 1, row.data());
    }
    *target++ = row[static_cast<std::size_t>(i % in_)];
  }
  return result;
}

// use(blocks of consecutive rows, the first of them as a row of W) for rows [begin, end).
template <typename Use>
void FrozenMatrix::for_parts(std::int64_t begin, std::int64_t end, const Use& use) const {
  QUIVER_CHECK(!is_dense() && begin >= 0 && begin <= end && end <= out_, "rows ", begin, " to ", end, " of ",
               out_);
  for (const Part& part : parts_) {
    const QuantizedBlocks& blocks = *part.blocks;
    const std::int64_t first = std::max(begin, part.first), last = std::min(end, part.first + blocks.rows);
    if (first >= last) continue;
    const char* bytes = blocks.bytes.data() + (first - part.first) * blocks.row_bytes();
    use(row_loops::BlockRows{blocks.format, bytes, last - first, in_}, first);
  }
}

void FrozenMatrix::expand(std::int64_t begin, std::int64_t end, float* target) const {
  for_parts(begin, end, [&](const row_loops::BlockRows& rows, std::int64_t first) {
    row_loops::expand_blocks(rows, target + (first - begin) * in_);
  });
}

void FrozenMatrix::dot_products(const float* const* x, std::int64_t rows, std::int64_t begin,
                                std::int64_t end, float* const* out) const {
  for_parts(begin, end, [&](const row_loops::BlockRows& columns, std::int64_t first) {
    row_loops::block_dot_products(x, rows, columns, out, first - begin);
  });
}

}  // namespace quiver
