#include "kernels/mixture.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <numeric>

#include "core/check.h"
#include "kernels/fused.h"
#include "kernels/row_loops.h"

namespace quiver {
namespace {

constexpr double kStandardiseEps = 1e-5;  // as LayerNorm in both PhatGOOSE implementations

float reciprocal_deviation(const float* x, std::int64_t width) {
  double sum = 0, square_sum = 0;
  for (std::int64_t i = 0; i < width; ++i) {
    sum += x[i];
    square_sum += static_cast<double>(x[i]) * x[i];
  }
  const double mean = sum / static_cast<double>(width);
  const double variance = square_sum / static_cast<double>(width) - mean * mean;
  return static_cast<float>(1.0 / std::sqrt(std::max(variance, 0.0) + kStandardiseEps));
}

// Turns one slot's logits into weights: softmax over the top_k, 0 elsewhere. `order` is scratch.
void weights_from_logits(float* logits, const MixtureShape& shape, std::vector<std::int32_t>& order) {
  const std::int64_t experts = shape.experts;
  if (shape.top_k >= experts) {
    row_loops::softmax(logits, experts, 1.0f);
    return;
  }
  std::iota(order.begin(), order.end(), 0);
  const auto better = [&](std::int32_t a, std::int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + shape.top_k, order.end(), better);
  const float largest = logits[order[0]];
  float sum = 0;
  for (std::int64_t i = 0; i < experts; ++i) {
    float& logit = logits[order[static_cast<std::size_t>(i)]];
    logit = i < shape.top_k ? std::exp(logit - largest) : 0.0f;
    sum += logit;
  }
  for (std::int64_t i = 0; i < experts; ++i) logits[i] /= sum;
}

// hidden (E, r) -> w_e h_e, or w_e sum_f(w_f h_f).
void weigh_hidden(float* hidden, const float* weights, const MixtureShape& shape, std::vector<float>& mean) {
  const std::int64_t rank = shape.rank;
  if (!shape.merge_before) {
    for (std::int64_t e = 0; e < shape.experts; ++e) {
      for (std::int64_t r = 0; r < rank; ++r) hidden[e * rank + r] *= weights[e];
    }
    return;
  }
  std::fill(mean.begin(), mean.end(), 0.0f);
  for (std::int64_t e = 0; e < shape.experts; ++e) {
    if (weights[e] == 0.0f) continue;
    for (std::int64_t r = 0; r < rank; ++r)
      mean[static_cast<std::size_t>(r)] += weights[e] * hidden[e * rank + r];
  }
  for (std::int64_t e = 0; e < shape.experts; ++e) {
    for (std::int64_t r = 0; r < rank; ++r)
      hidden[e * rank + r] = weights[e] * mean[static_cast<std::size_t>(r)];
  }
}

}  // namespace

void mix_experts(at::Tensor& products, const at::Tensor& x, const MixtureShape& shape) {
  const std::int64_t rows = products.size(0), width = shape.width(), input_width = x.size(1);
  QUIVER_CHECK(products.is_contiguous() && x.is_contiguous() && products.size(1) == width &&
                   x.size(0) == rows && shape.top_k >= 1 && shape.top_k <= shape.experts,
               "products ", products.sizes(), ", x ", x.sizes());
  float* products_data = products.mutable_data_ptr<float>();
  const float* x_data = x.const_data_ptr<float>();
  at::parallel_for(0, rows, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int32_t> order(static_cast<std::size_t>(shape.experts));
    std::vector<float> mean(static_cast<std::size_t>(shape.rank));
    for (std::int64_t row = begin; row < end; ++row) {
      float* line = products_data + row * width;
      const float inverse_temperature = static_cast<float>(1.0 / shape.temperature);
      const float factor =
          shape.logits == LogitKind::kStandardised
              ? inverse_temperature * reciprocal_deviation(x_data + row * input_width, input_width)
              : inverse_temperature;
      for (std::int64_t slot = 0; slot < shape.slots; ++slot) {
        float* logits = line + shape.slots * shape.hidden_width() + slot * shape.experts;
        for (std::int64_t e = 0; e < shape.experts; ++e) {
          const float product = logits[e] * factor;
          logits[e] = shape.logits == LogitKind::kAbsolute ? std::fabs(product) : product;
        }
        weights_from_logits(logits, shape, order);
        weigh_hidden(line + slot * shape.hidden_width(), logits, shape, mean);
      }
    }
  });
}

}  // namespace quiver
