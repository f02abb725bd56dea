#include "kernels/swiglu.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/fused.h"
#include "kernels/row_loops.h"

namespace quiver {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor swiglu_rows(const at::Tensor& gate_up) {
  const std::int64_t rows = gate_up.size(0), width = gate_up.size(1) / 2;
  at::Tensor y = at::empty({rows, width}, gate_up.options());
  const float* in = gate_up.const_data_ptr<float>();
  float* out = y.mutable_data_ptr<float>();
  at::parallel_for(0, rows, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* gate = in + row * 2 * width;
      row_loops::swiglu(gate, gate + width, out + row * width, width);
    }
  });
  return y;
}

class SwiGlu : public torch::autograd::Function<SwiGlu> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate_up) {
    context->save_for_backward({gate_up});
    return swiglu_rows(gate_up);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor gate_up = context->get_saved_variables()[0];
    const at::Tensor dy = gradients[0].contiguous();
    const std::int64_t rows = dy.size(0), width = dy.size(1);
    at::Tensor gradient = at::empty_like(gate_up);
    const float* in = gate_up.const_data_ptr<float>();
    const float* dy_data = dy.const_data_ptr<float>();
    float* out = gradient.mutable_data_ptr<float>();
    at::parallel_for(0, rows, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const float* gate = in + row * 2 * width;
        float* dgate = out + row * 2 * width;
        row_loops::swiglu_backward(dy_data + row * width, gate, gate + width, dgate, dgate + width, width);
      }
    });
    return {gradient};
  }
};

}  // namespace

at::Tensor swiglu_reference(const at::Tensor& gate_up) {
  const std::vector<at::Tensor> halves = gate_up.chunk(2, -1);
  return at::silu(halves[0]) * halves[1];
}

at::Tensor swiglu(const at::Tensor& gate_up) {
  if (!fused_kernel_applies(gate_up)) return swiglu_reference(gate_up);
  if (!records_gradients(gate_up)) return swiglu_rows(gate_up);
  return SwiGlu::apply(gate_up);
}

}  // namespace quiver
