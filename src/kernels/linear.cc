#include "kernels/linear.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/fused.h"

namespace quiver {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool prefers_onednn() {
#if defined(__x86_64__)
  static const bool answer = __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512f") && at::hasMKLDNN();
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

bool use_onednn(const at::Tensor& x) { return prefers_onednn() && fused_kernel_applies(x) && x.size(0) > 0; }

at::Tensor forward_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (use_onednn(x)) return onednn_linear(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
  return bias.defined() ? at::addmm(bias, x, weight.t()) : at::mm(x, weight.t());
}

class FrozenLinear : public torch::autograd::Function<FrozenLinear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight) {
    context->save_for_backward({weight});
    return forward_product(x, weight, {});
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {frozen_linear_backward(gradients[0], context->get_saved_variables()[0]), at::Tensor()};
  }
};

}  // namespace

at::Tensor frozen_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return forward_product(x, weight, bias);
  const at::Tensor product = FrozenLinear::apply(x, weight);
  return bias.defined() ? product + bias : product;
}

at::Tensor frozen_linear_backward(const at::Tensor& dy, const at::Tensor& weight) {
  const at::Tensor rows = dy.contiguous();
  if (use_onednn(rows)) return onednn_linear(rows, weight.t(), std::nullopt);
  return at::mm(rows, weight);
}

}  // namespace quiver
