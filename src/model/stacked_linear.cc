#include "model/stacked_linear.h"

#include <ATen/core/grad_mode.h>

#include "core/check.h"
#include "kernels/linear.h"
#include "quiver/error.h"

namespace quiver {
namespace {

void refuse_gradients(const at::Tensor& x) {
  if (at::GradMode::is_enabled() && x.requires_grad()) {
    throw Error(ErrorKind::kUnsupported, "gradients do not pass through quantised weights",
                "train in float32; the expert then runs on a quantised base as well");
  }
}

}  // namespace

StackedLinear StackedLinear::stack(const std::vector<StackedLinear>& parts, at::Tensor bias) {
  StackedLinear result;
  if (parts.front().is_quantised()) {
    std::vector<QuantisedMatrix> matrices;
    for (const StackedLinear& part : parts) matrices.push_back(part.quantised_);
    result.quantised_ = QuantisedMatrix::stack(matrices);
  } else {
    std::vector<at::Tensor> weights;
    std::vector<BlockMatrix> blocks;
    for (const StackedLinear& part : parts) {
      weights.push_back(part.dense_);
      blocks.push_back(part.blocks_);
    }
    result.dense_ = weights.size() == 1 ? weights[0] : at::cat(weights);
    result.blocks_ = BlockMatrix::stack(blocks);
  }
  result.bias_ = std::move(bias);
  return result;
}

const at::Tensor& StackedLinear::dense() const {
  QUIVER_CHECK(!is_quantised(), "quantised weights have no float copy");
  return dense_;
}

at::Tensor StackedLinear::apply(const at::Tensor& x) const {
  if (!is_quantised()) return frozen_linear(x, dense_, bias_, blocks_);
  refuse_gradients(x);
  return quantised_linear(x, quantised_, bias_);
}

at::Tensor StackedLinear::add_to(at::Tensor residual, const at::Tensor& x) const {
  if (at::GradMode::is_enabled()) return residual + apply(x);
  if (!is_quantised()) return residual.add_(apply(x));
  add_quantised_linear(residual, x, quantised_);
  return bias_.defined() ? residual.add_(bias_) : residual;
}

at::Tensor StackedLinear::rows(std::span<const std::int32_t> ids) const {
  if (is_quantised()) return quantised_.rows(ids);
  const at::Tensor index = at::tensor(std::vector<std::int64_t>(ids.begin(), ids.end()));
  return dense_.index_select(0, index.to(dense_.device()));
}

}  // namespace quiver
