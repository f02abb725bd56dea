#include "kernels/norm.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/fused.h"
#include "kernels/row_loops.h"

namespace quiver {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// y = rms_norm(x); rstd (rows), when given, receives 1 / sqrt(mean(x^2) + eps).
at::Tensor normalize_rows(const at::Tensor& x, const at::Tensor& weight, double eps, float* rstd) {
  const std::int64_t rows = x.size(0), width = x.size(1);
  at::Tensor y = at::empty(x.sizes(), x.options());
  const float* x_data = x.const_data_ptr<float>();
  const float* weight_data = weight.const_data_ptr<float>();
  float* y_data = y.mutable_data_ptr<float>();
  at::parallel_for(0, rows, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const float row_rstd = row_loops::rms_norm(x_data + row * width, weight_data, y_data + row * width,
                                                 width, static_cast<float>(eps));
      if (rstd != nullptr) rstd[row] = row_rstd;
    }
  });
  return y;
}

class RmsNorm : public torch::autograd::Function<RmsNorm> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            double eps) {
    at::Tensor rstd = at::empty({x.size(0)}, x.options());
    const at::Tensor y = normalize_rows(x, weight, eps, rstd.mutable_data_ptr<float>());
    context->save_for_backward({x, weight, rstd});
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor dy = gradients[0].contiguous();
    const std::int64_t rows = dy.size(0), width = dy.size(1);
    at::Tensor dx = at::empty_like(dy);
    const float* dy_data = dy.const_data_ptr<float>();
    const float* x_data = saved[0].const_data_ptr<float>();
    const float* weight_data = saved[1].const_data_ptr<float>();
    const float* rstd_data = saved[2].const_data_ptr<float>();
    float* dx_data = dx.mutable_data_ptr<float>();
    at::parallel_for(0, rows, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        row_loops::rms_norm_backward(dy_data + row * width, x_data + row * width, weight_data, rstd_data[row],
                                     dx_data + row * width, width);
      }
    });
    return {dx, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor rms_norm_reference(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor x32 = x.to(at::kFloat);
  const at::Tensor normalized = x32 * at::rsqrt(x32.square().mean(-1, true) + eps);
  return (weight * normalized.to(weight.scalar_type())).to(x.scalar_type());
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  if (!fused_kernel_applies(x)) return rms_norm_reference(x, weight, eps);
  if (!records_gradients(x)) return normalize_rows(x, weight, eps, nullptr);
  return RmsNorm::apply(x, weight, eps);
}

}  // namespace quiver
