#include "kernels/low_rank.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/dot_products.h"
#include "kernels/fused.h"
#include "kernels/gemm.h"

namespace quiver {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kRowsAtOnce = 64;  // of x and y that stay in the cache between their two uses

// h (rows, r) = scale x w^T for x (rows, width) and w (r, width).
void project(const float* x, std::int64_t rows, std::int64_t width, const float* w, std::int64_t rank,
             float scale, float* h) {
  row_loops::dot_products(x, width, rows, w, rank, width, h);
  for (std::int64_t i = 0; i < rows * rank; ++i) h[i] *= scale;
}

// work(first row, number of rows) for blocks of [begin, end).
template <typename Work>
void for_each_block(std::int64_t begin, std::int64_t end, const Work& work) {
  for (; begin < end; begin += kRowsAtOnce) work(begin, std::min(kRowsAtOnce, end - begin));
}

class LowRankUpdate : public torch::autograd::Function<LowRankUpdate> {
 public:
  static at::Tensor forward(AutogradContext* context, at::Tensor y, const at::Tensor& x, const at::Tensor& a,
                            const at::Tensor& b, double scale) {
    const std::int64_t tokens = x.size(0), in = x.size(1), out = y.size(1), rank = a.size(0);
    at::Tensor hidden = at::empty({tokens, rank}, x.options());
    const float *x_data = x.const_data_ptr<float>(), *a_data = a.const_data_ptr<float>(),
                *b_data = b.const_data_ptr<float>();
    float *y_data = y.mutable_data_ptr<float>(), *h_data = hidden.mutable_data_ptr<float>();
    at::parallel_for(0, tokens, row_grain(rank * (in + out)), [&](std::int64_t begin, std::int64_t end) {
      for_each_block(begin, end, [&](std::int64_t row, std::int64_t rows) {
        float* h = h_data + row * rank;
        project(x_data + row * in, rows, in, a_data, rank, static_cast<float>(scale), h);
        gemm(Transpose::kNo, Transpose::kNo, rows, out, rank, h, rank, b_data, out, y_data + row * out, out,
             Update::kAdd);
      });
    });
    context->mark_dirty({y});
    context->save_for_backward({x, a, b, hidden});
    context->saved_data["scale"] = scale;
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &a = saved[1], &b = saved[2], &hidden = saved[3];
    const at::Tensor dy = gradients[0].contiguous();
    const std::int64_t tokens = x.size(0), in = x.size(1), out = dy.size(1), rank = a.size(0);
    const auto scale = static_cast<float>(context->saved_data["scale"].toDouble());
    const at::Tensor dx = context->needs_input_grad(1) ? at::empty_like(x) : at::Tensor();
    // Every part's sums over its rows, added in order so that a run can be repeated exactly.
    const std::int64_t blocks = std::max<std::int64_t>(1, (tokens + kRowsAtOnce - 1) / kRowsAtOnce);
    const std::int64_t parts = std::min<std::int64_t>(at::get_num_threads(), blocks);
    const at::Tensor da = at::zeros({parts, rank, in}, x.options());
    const at::Tensor db = at::zeros({parts, rank, out}, x.options());
    const float *x_data = x.const_data_ptr<float>(), *a_data = a.const_data_ptr<float>(),
                *b_data = b.const_data_ptr<float>(), *h_data = hidden.const_data_ptr<float>(),
                *dy_data = dy.const_data_ptr<float>();
    float* dx_data = dx.defined() ? dx.mutable_data_ptr<float>() : nullptr;
    float *da_data = da.mutable_data_ptr<float>(), *db_data = db.mutable_data_ptr<float>();
    const auto add_part = [&](std::int64_t part) {
      std::vector<float> dh(static_cast<std::size_t>(kRowsAtOnce * rank));
      float* own_da = da_data + part * rank * in;
      float* own_db = db_data + part * rank * out;
      for_each_block(part * tokens / parts, (part + 1) * tokens / parts,
                     [&](std::int64_t row, std::int64_t rows) {
                       const float *x_rows = x_data + row * in, *dy_rows = dy_data + row * out;
                       project(dy_rows, rows, out, b_data, rank, scale, dh.data());
                       gemm(Transpose::kYes, Transpose::kNo, rank, in, rows, dh.data(), rank, x_rows, in,
                            own_da, in, Update::kAdd);
                       gemm(Transpose::kYes, Transpose::kNo, rank, out, rows, h_data + row * rank, rank,
                            dy_rows, out, own_db, out, Update::kAdd);
                       if (dx_data != nullptr)
                         gemm(Transpose::kNo, Transpose::kNo, rows, in, rank, dh.data(), rank, a_data, in,
                              dx_data + row * in, in, Update::kSet);
                     });
    };
    at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) add_part(part);
    });
    return {dy, dx, da.sum(0), db.sum(0), at::Tensor()};
  }
};

}  // namespace

at::Tensor add_low_rank_reference(const at::Tensor& y, const at::Tensor& x, const at::Tensor& a,
                                  const at::Tensor& b, double scale) {
  const at::Tensor hidden = at::mm(x.to(at::kFloat), a.t()) * scale;
  return y + at::mm(hidden, b).to(y.scalar_type());
}

at::Tensor add_low_rank(at::Tensor y, const at::Tensor& x, const at::Tensor& a, const at::Tensor& b,
                        double scale) {
  for (const at::Tensor* tensor : {&std::as_const(y), &x, &a, &b}) {
    if (!fused_kernel_applies(*tensor)) return add_low_rank_reference(y, x, a, b, scale);
  }
  return LowRankUpdate::apply(std::move(y), x, a, b, scale);
}

}  // namespace quiver
