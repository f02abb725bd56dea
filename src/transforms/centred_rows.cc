#include "transforms/centred_rows.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace quiver {
namespace {

constexpr std::int64_t kBlockBytes = 4 << 20;  // of float64, per thread
constexpr std::int64_t kColumnsPerThread = 64;

}  // namespace

CentredRows::CentredRows(const at::Tensor& rows)
    : rows_(rows.contiguous()),
      rows_per_block_(std::max<std::int64_t>(1, kBlockBytes / 8 / rows.size(1))),
      norms_(at::empty({rows.size(0)}, at::kDouble)) {
  mean_ = plain_sums(at::zeros({count()}, at::kLong), 1)[0] / static_cast<double>(count());
  for_each_block([&](std::int64_t begin, std::int64_t end) {
    norms_.slice(0, begin, end).copy_(block(begin, end).square_().sum(1));
  });
}

template <typename Work>
void CentredRows::for_each_block(const Work& work) const {
  const std::int64_t blocks = (count() + rows_per_block_ - 1) / rows_per_block_;
  at::parallel_for(0, blocks, 1, [&](std::int64_t first, std::int64_t last) {
    const at::NoGradGuard no_grad;  // thread-local
    for (std::int64_t i = first; i < last; ++i) {
      work(i * rows_per_block_, std::min((i + 1) * rows_per_block_, count()));
    }
  });
}

at::Tensor CentredRows::block(std::int64_t begin, std::int64_t end) const {
  return at::sub(rows_.slice(0, begin, end), mean_);
}

at::Tensor CentredRows::select(const at::Tensor& places) const {
  return at::sub(rows_.index_select(0, places), mean_);
}

at::Tensor CentredRows::squared_distances(const at::Tensor& centres) const {
  const at::Tensor centre_norms = centres.square().sum(1, /*keepdim=*/true);
  at::Tensor distances = at::empty({centres.size(0), count()}, at::kDouble);
  for_each_block([&](std::int64_t begin, std::int64_t end) {
    const at::Tensor products = at::mm(centres, block(begin, end).t());
    distances.slice(1, begin, end)
        .copy_((norms_.slice(0, begin, end) - products.mul_(2) + centre_norms).clamp_min_(0));
  });
  return distances;
}

at::Tensor CentredRows::plain_sums(const at::Tensor& labels, std::int64_t k) const {
  at::Tensor sums = at::zeros({k, width()}, at::kDouble);
  const at::Tensor in_order = labels.contiguous();
  const std::int64_t* label = in_order.const_data_ptr<std::int64_t>();
  double* sum = sums.mutable_data_ptr<double>();
  AT_DISPATCH_FLOATING_TYPES(rows_.scalar_type(), "sums of rows", [&] {
    const scalar_t* row = rows_.const_data_ptr<scalar_t>();
    // Each thread has columns of its own, so that every sum runs over the rows in their order.
    at::parallel_for(0, width(), kColumnsPerThread, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = 0; i < count(); ++i) {
        double* into = sum + label[i] * width();
        const scalar_t* from = row + i * width();
        for (std::int64_t j = begin; j < end; ++j) into[j] += static_cast<double>(from[j]);
      }
    });
  });
  return sums;
}

at::Tensor CentredRows::means(const at::Tensor& labels, std::int64_t k) const {
  const at::Tensor counts = at::bincount(labels, {}, k).unsqueeze(1);  // (k, 1)
  const at::Tensor means = plain_sums(labels, k) / counts.clamp_min(1) - mean_;
  return means.masked_fill(counts == 0, 0);
}

double CentredRows::inertia(const at::Tensor& centres, const at::Tensor& labels) const {
  std::vector<double> parts(static_cast<std::size_t>(count()));  // at most one block a row
  for_each_block([&](std::int64_t begin, std::int64_t end) {
    const at::Tensor own = centres.index_select(0, labels.slice(0, begin, end));
    parts[static_cast<std::size_t>(begin / rows_per_block_)] =
        block(begin, end).sub_(own).square_().sum().item<double>();
  });
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

}  // namespace quiver
