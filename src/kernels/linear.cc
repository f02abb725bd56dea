#include "kernels/linear.h"

#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/dot_products.h"
#include "kernels/fused.h"
#include "kernels/vector_registers.h"

namespace quiver {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool prefers_onednn() {
#if defined(__x86_64__)
  static const bool answer = __builtin_cpu_is("amd") && has_avx512() && at::hasMKLDNN();
  return answer;
#else
  return false;
#endif
}

// x weight^T + bias by oneDNN, which LibTorch exposes only as a registered operator.
at::Tensor onednn_linear(const at::Tensor& x, const at::Tensor& weight,
                         const std::optional<at::Tensor>& bias) {
  using Signature =
      at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
                 c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);
  static const auto linear =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "").typed<Signature>();
  const at::NoGradGuard no_gradients;
  return linear.call(x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), std::string_view());
}

// Up to this many rows our products are faster than a library's, whose preparations pay later; measured on
// the layers of SmolLM2-135M.
constexpr std::int64_t kFewRows = 128;

at::Tensor few_rows_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            const BlockMatrix& blocks) {
  const std::int64_t rows = x.size(0), width = x.size(1), columns = weight.size(0);
  at::Tensor y = at::empty({rows, columns}, x.options());
  const float* x_data = x.const_data_ptr<float>();
  const float* weight_data = weight.const_data_ptr<float>();
  float* y_data = y.mutable_data_ptr<float>();
  at::parallel_for(0, columns, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
    const float* x_rows[kFewRows];
    float* y_rows[kFewRows];
    for (std::int64_t row = 0; row < rows; ++row) {
      x_rows[row] = x_data + row * width;
      y_rows[row] = y_data + row * columns + begin;
    }
    if (rows <= blocks.few_rows())
      blocks.dot_products(x_rows, rows, begin, end, y_rows);
    else
      row_loops::dot_products(x_rows, rows, weight_data + begin * width, width, end - begin, width, y_rows);
  });
  return bias.defined() ? y.add_(bias) : y;
}

bool has_few_rows(const at::Tensor& x, const at::Tensor& weight) {
  return x.size(0) <= kFewRows && fused_kernel_applies(x) && fused_kernel_applies(weight);
}

bool use_onednn(const at::Tensor& x) { return prefers_onednn() && fused_kernel_applies(x) && x.size(0) > 0; }

at::Tensor forward_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const BlockMatrix& blocks) {
  if (has_few_rows(x, weight)) return few_rows_product(x, weight, bias, blocks);
  if (use_onednn(x)) return onednn_linear(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
  return bias.defined() ? at::addmm(bias, x, weight.t()) : at::mm(x, weight.t());
}

class FrozenLinear : public torch::autograd::Function<FrozenLinear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight) {
    context->save_for_backward({weight});
    return forward_product(x, weight, {}, {});
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {frozen_linear_backward(gradients[0], context->get_saved_variables()[0]), at::Tensor()};
  }
};

}  // namespace

at::Tensor frozen_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         const BlockMatrix& blocks) {
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return forward_product(x, weight, bias, blocks);
  const at::Tensor product = FrozenLinear::apply(x, weight);
  return bias.defined() ? product + bias : product;
}

at::Tensor frozen_linear_backward(const at::Tensor& dy, const at::Tensor& weight) {
  const at::Tensor rows = dy.contiguous();
  if (use_onednn(rows)) return onednn_linear(rows, weight.t(), std::nullopt);
  return at::mm(rows, weight);
}

}  // namespace quiver
