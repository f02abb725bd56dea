#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace quiver {

// Rows (n, d) less their mean, worked on in float64 a few at a time: no second matrix of their size is ever
// made, however many there are. Every result is the same whatever the number of threads. Thread-safe, and
// each call uses all of ATen's threads.
class CentredRows {
 public:
  // `rows` (n, d) of float32 or float64, n and d at least 1, all finite. Shared, not copied, where
  // contiguous.
  explicit CentredRows(const at::Tensor& rows);

  std::int64_t count() const { return rows_.size(0); }
  std::int64_t width() const { return rows_.size(1); }

  // The rows at `places` (m) int64, as (m, d) float64.
  at::Tensor select(const at::Tensor& places) const;

  // Squared distances (m, n) float64 between `centres` (m, d) float64 and all rows.
  at::Tensor squared_distances(const at::Tensor& centres) const;

  // Means (k, d) float64 of the rows with each label; zeros for a label without rows. `labels` (n) int64 in
  // 0 .. k-1.
  at::Tensor means(const at::Tensor& labels, std::int64_t k) const;

  // Sum over the rows of the squared distance to the centre of their label. `centres` (k, d) float64.
  double inertia(const at::Tensor& centres, const at::Tensor& labels) const;

 private:
  // Rows begin .. end - 1, (end - begin, d) float64.
  at::Tensor block(std::int64_t begin, std::int64_t end) const;
  // Calls work(begin, end) for stretches of rows_per_block_ rows, on all threads.
  template <typename Work>
  void for_each_block(const Work& work) const;
  // Sums (k, d) float64 of the rows with each label, the mean not taken off.
  at::Tensor plain_sums(const at::Tensor& labels, std::int64_t k) const;

  at::Tensor rows_;
  std::int64_t rows_per_block_;
  at::Tensor mean_;   // (d) float64
  at::Tensor norms_;  // (n) float64, squared lengths of the centred rows
};

}  // namespace quiver
