#include "kernels/quantised.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>

#include "core/check.h"

namespace quiver {
namespace {

using quantised::kBlock;
using quantised::kPanelRows;

// Inputs of one product, rounded to 8 bits.
class RoundedRows {
 public:
  RoundedRows(const at::Tensor& x, const quantised::Loops& loops) {
    const std::int64_t rows = x.size(0), width = x.size(1), blocks = (width + kBlock - 1) / kBlock;
    const auto count = static_cast<std::size_t>(rows * blocks);
    values_.reset(new std::int8_t[count * kBlock]);
    scales_.reset(new float[count]);
    sums_.reset(new std::int32_t[count]);
    const float* data = x.const_data_ptr<float>();
    constexpr std::int64_t kGrainFloats = 1 << 15;
    at::parallel_for(0, rows, std::max<std::int64_t>(1, kGrainFloats / std::max<std::int64_t>(1, width)),
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t row = begin; row < end; ++row) {
                         loops.round_row(data + row * width, width, values_.get() + row * blocks * kBlock,
                                         scales_.get() + row * blocks, sums_.get() + row * blocks);
                       }
                     });
    view_ = {rows, blocks, values_.get(), scales_.get(), sums_.get()};
  }

  const quantised::Rows& view() const { return view_; }

 private:
  std::unique_ptr<std::int8_t[]> values_;
  std::unique_ptr<float[]> scales_;
  std::unique_ptr<std::int32_t[]> sums_;
  quantised::Rows view_;
};

const quantised::Loops& best_loops() {
  static const quantised::Loops& best = quantised::loops(quantised::available_instruction_sets().back());
  return best;
}

}  // namespace

void quantised_product(const at::Tensor& x, const QuantisedMatrix& weight, at::Tensor& y,
                       quantised::Store store, const quantised::Loops& loops) {
  QUIVER_CHECK(x.dim() == 2 && x.size(1) == weight.in() && y.dim() == 2 && y.size(0) == x.size(0) &&
                   y.size(1) == weight.out() && x.is_contiguous() && y.stride(1) == 1,
               "x ", x.sizes(), ", weights ", weight.out(), " x ", weight.in(), ", y ", y.sizes());
  if (x.size(0) == 0) return;
  const RoundedRows rounded(x, loops);
  const std::vector<QuantisedMatrix::PlacedPanel>& panels = weight.panels();
  float* target = y.mutable_data_ptr<float>();
  const std::int64_t stride = y.stride(0);
  constexpr std::int64_t kGrainProducts = 1 << 16;
  const std::int64_t panel_products = kPanelRows * std::max<std::int64_t>(1, weight.in()) * x.size(0);
  at::parallel_for(0, static_cast<std::int64_t>(panels.size()),
                   std::max<std::int64_t>(1, kGrainProducts / panel_products),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       const auto& [panel, column] = panels[static_cast<std::size_t>(i)];
                       loops.multiply(panel, rounded.view(), target + column, stride, store);
                     }
                   });
}

at::Tensor quantised_linear(const at::Tensor& x, const QuantisedMatrix& weight, const at::Tensor& bias) {
  at::Tensor y = at::empty({x.size(0), weight.out()}, x.options());
  if (bias.defined()) y.copy_(bias.expand_as(y));
  quantised_product(x, weight, y, bias.defined() ? quantised::Store::kAdd : quantised::Store::kOverwrite,
                    best_loops());
  return y;
}

void add_quantised_linear(at::Tensor& y, const at::Tensor& x, const QuantisedMatrix& weight) {
  quantised_product(x, weight, y, quantised::Store::kAdd, best_loops());
}

}  // namespace quiver
