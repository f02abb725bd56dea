#include "kernels/linear.h"

#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <algorithm>
#include <memory>

#include "kernels/dot_products.h"
#include "kernels/fused.h"
#include "kernels/vector_registers.h"
#include "quiver/error.h"

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

// Up to this many rows, expanding blocks in registers is faster than expanding them once for all rows.
// Measured by `make bench FILTER=frozen_linear_of_layers`.
constexpr std::int64_t kRegisterRows = 16;

constexpr std::int64_t kCacheFloats = 1 << 15;   // expanded at one time by a thread: a part of its L2 cache
constexpr std::int64_t kMemoryFloats = 1 << 22;  // and for a library's product

// out[m][n - begin] = sum_i x[m][i] W[n, i] for n in [begin, end). Leaves any values in `out`.
void multiply_columns(const float* const* x, std::int64_t rows, const FrozenMatrix& weight,
                      std::int64_t begin, std::int64_t end, float** out) {
  const std::int64_t width = weight.in();
  if (weight.is_dense()) {
    const float* floats = weight.dense().const_data_ptr<float>() + begin * width;
    return row_loops::dot_products(x, rows, floats, width, end - begin, width, out);
  }
  if (rows <= kRegisterRows) return weight.dot_products(x, rows, begin, end, out);
  const std::int64_t step = std::clamp<std::int64_t>(kCacheFloats / width, 1, end - begin);
  const auto floats = std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(step * width));
  for (std::int64_t first = begin; first < end; first += step) {
    const std::int64_t last = std::min(end, first + step);
    weight.expand(first, last, floats.get());
    row_loops::dot_products(x, rows, floats.get(), width, last - first, width, out);
    for (std::int64_t row = 0; row < rows; ++row) out[row] += last - first;
  }
}

at::Tensor few_rows_product(const at::Tensor& x, const FrozenMatrix& weight, const at::Tensor& bias) {
  const std::int64_t rows = x.size(0), width = weight.in(), columns = weight.out();
  at::Tensor y = at::empty({rows, columns}, x.options());
  const float* x_data = x.const_data_ptr<float>();
  float* y_data = y.mutable_data_ptr<float>();
  at::parallel_for(0, columns, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
    const float* x_rows[kFewRows];
    float* y_rows[kFewRows];
    for (std::int64_t row = 0; row < rows; ++row) {
      x_rows[row] = x_data + row * width;
      y_rows[row] = y_data + row * columns + begin;
    }
    multiply_columns(x_rows, rows, weight, begin, end, y_rows);
  });
  return bias.defined() ? y.add_(bias) : y;
}

// use(first, weights) for pieces (n, in) of the weight, from row `first` on: a tensor is one piece.
template <typename Use>
void for_pieces(const FrozenMatrix& weight, const Use& use) {
  if (weight.is_dense()) return use(0, weight.dense());
  const std::int64_t width = weight.in(), out = weight.out();
  const std::int64_t step = std::clamp<std::int64_t>(kMemoryFloats / width, 1, out);
  const at::Tensor floats = at::empty({step, width}, at::kFloat);
  float* target = floats.mutable_data_ptr<float>();
  for (std::int64_t first = 0; first < out; first += step) {
    const std::int64_t last = std::min(out, first + step);
    at::parallel_for(first, last, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
      weight.expand(begin, end, target + (begin - first) * width);
    });
    use(first, floats.narrow(0, 0, last - first));
  }
}

bool use_onednn(const at::Tensor& x) { return prefers_onednn() && fused_kernel_applies(x) && x.size(0) > 0; }

at::Tensor library_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (use_onednn(x)) return onednn_linear(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
  return bias.defined() ? at::addmm(bias, x, weight.t()) : at::mm(x, weight.t());
}

bool has_few_rows(const at::Tensor& x, const FrozenMatrix& weight) {
  return x.size(0) <= kFewRows && fused_kernel_applies(x) &&
         (!weight.is_dense() || fused_kernel_applies(weight.dense()));
}

at::Tensor forward_product(const at::Tensor& x, const FrozenMatrix& weight, const at::Tensor& bias) {
  if (has_few_rows(x, weight)) return few_rows_product(x, weight, bias);
  at::Tensor y;
  for_pieces(weight, [&](std::int64_t first, const at::Tensor& piece) {
    const std::int64_t columns = piece.size(0);
    if (columns == weight.out()) {
      y = library_product(x, piece, bias);
      return;
    }
    if (!y.defined()) y = at::empty({x.size(0), weight.out()}, x.options());
    at::Tensor part = y.narrow(1, first, columns);
    if (use_onednn(x))
      part.copy_(onednn_linear(x, piece, std::nullopt));
    else
      at::mm_out(part, x, piece.t());
    if (bias.defined()) part.add_(bias.narrow(0, first, columns));
  });
  return y;
}

// A node of autograd keeps tensors and IValues.
struct HeldMatrix : torch::CustomClassHolder {
  explicit HeldMatrix(FrozenMatrix held) : matrix(std::move(held)) {}
  FrozenMatrix matrix;
};

class FrozenLinear : public torch::autograd::Function<FrozenLinear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const FrozenMatrix& weight) {
    context->saved_data["weight"] = c10::IValue::make_capsule(c10::make_intrusive<HeldMatrix>(weight));
    return forward_product(x, weight, {});
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto held = context->saved_data["weight"].toCapsule();
    return {frozen_linear_backward(gradients[0], static_cast<const HeldMatrix&>(*held).matrix), at::Tensor()};
  }
};

}  // namespace

at::Tensor frozen_linear(const at::Tensor& any_x, const FrozenMatrix& weight, const at::Tensor& bias) {
  if (!weight.is_dense() && !(any_x.device().is_cpu() && any_x.scalar_type() == at::kFloat)) {
    throw Error(ErrorKind::kInvalidArgument,
                std::string("the model computes in float32 on the CPU, not in ") +
                    at::toString(any_x.scalar_type()) + " on " + any_x.device().str());
  }
  const at::Tensor x = weight.is_dense() ? any_x : any_x.contiguous();
  if (!records_gradients(x)) return forward_product(x, weight, bias);
  const at::Tensor product = FrozenLinear::apply(x, weight);
  return bias.defined() ? product + bias : product;
}

at::Tensor frozen_linear_backward(const at::Tensor& dy, const FrozenMatrix& weight) {
  const at::NoGradGuard no_gradients;
  const at::Tensor gradients = dy.contiguous();
  at::Tensor dx;
  for_pieces(weight, [&](std::int64_t first, const at::Tensor& piece) {
    const at::Tensor part = gradients.narrow(1, first, piece.size(0));
    const at::Tensor product = use_onednn(gradients)
                                   ? onednn_linear(part.contiguous(), piece.t(), std::nullopt)
                                   : at::mm(part, piece);
    dx = dx.defined() ? dx.add_(product) : product;
  });
  return dx;
}

}  // namespace quiver
