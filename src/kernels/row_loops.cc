#include "kernels/row_loops.h"

#include <algorithm>
#include <cmath>

#include "kernels/vector_registers.h"

namespace quiver::row_loops {

QUIVER_VECTORIZED
float rms_norm(const float* x, const float* w, float* y, std::int64_t n, float eps) {
  float square_sum = 0;
  for (std::int64_t i = 0; i < n; ++i) square_sum += x[i] * x[i];
  const float rstd = 1.0f / std::sqrt(square_sum / static_cast<float>(n) + eps);
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * rstd * w[i];
  return rstd;
}

QUIVER_VECTORIZED
void rms_norm_backward(const float* dy, const float* x, const float* w, float rstd, float* dx,
                       std::int64_t n) {
  float product_sum = 0;
  for (std::int64_t i = 0; i < n; ++i) product_sum += dy[i] * w[i] * x[i];
  const float slope = rstd * rstd * rstd * product_sum / static_cast<float>(n);
  for (std::int64_t i = 0; i < n; ++i) dx[i] = rstd * dy[i] * w[i] - x[i] * slope;
}

QUIVER_VECTORIZED
void swiglu(const float* gate, const float* up, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

QUIVER_VECTORIZED
void swiglu_backward(const float* dy, const float* gate, const float* up, float* dgate, float* dup,
                     std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float sigmoid = 1.0f / (1.0f + std::exp(-gate[i]));
    const float silu = gate[i] * sigmoid;
    dgate[i] = dy[i] * up[i] * (sigmoid + silu * (1.0f - sigmoid));
    dup[i] = dy[i] * silu;
  }
}

QUIVER_VECTORIZED
void rotate_half(float* head, const float* cos, const float* sin, std::int64_t half, float direction) {
  for (std::int64_t i = 0; i < half; ++i) {
    const float a = head[i];
    const float b = head[i + half];
    const float s = direction * sin[i];
    head[i] = a * cos[i] - b * s;
    head[i + half] = b * cos[i] + a * s;
  }
}

QUIVER_VECTORIZED
float softmax(float* s, std::int64_t n, float scale) {
  float largest = s[0];
  for (std::int64_t i = 1; i < n; ++i) largest = s[i] > largest ? s[i] : largest;
  float sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    s[i] = std::exp(scale * (s[i] - largest));
    sum += s[i];
  }
  const float inverse = 1.0f / sum;
  for (std::int64_t i = 0; i < n; ++i) s[i] *= inverse;
  return scale * largest + std::log(sum);
}

QUIVER_VECTORIZED
void softmax_from_lse(float* s, std::int64_t n, float scale, float lse) {
  for (std::int64_t i = 0; i < n; ++i) s[i] = std::exp(scale * s[i] - lse);
}

QUIVER_VECTORIZED
void softmax_backward(const float* p, float* dp, std::int64_t n, float delta, float scale) {
  for (std::int64_t i = 0; i < n; ++i) dp[i] = p[i] * (dp[i] - delta) * scale;
}

QUIVER_VECTORIZED
float variance(const float* x, std::int64_t n) {
  float sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(n);
  float square_sum = 0;
  for (std::int64_t i = 0; i < n; ++i) square_sum += (x[i] - mean) * (x[i] - mean);
  return square_sum / static_cast<float>(n);
}

QUIVER_VECTORIZED
float dot(const float* a, const float* b, std::int64_t n) {
  float sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

QUIVER_VECTORIZED
float log_sum_exp(const float* x, std::int64_t n) {
  float largest = x[0];
  for (std::int64_t i = 1; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  float sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - largest);
  return largest + std::log(sum);
}

QUIVER_VECTORIZED
bool is_first_largest(const float* x, std::int64_t n, std::int64_t index) {
  const float value = x[index];
  std::int32_t ahead = 0;
  for (std::int64_t i = 0; i < index; ++i) ahead += x[i] >= value ? 1 : 0;
  for (std::int64_t i = index + 1; i < n; ++i) ahead += x[i] > value ? 1 : 0;
  return ahead == 0;
}

QUIVER_VECTORIZED
void exp_shifted(float* x, std::int64_t n, float lse, float scale) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = std::exp(x[i] - lse) * scale;
}

}  // namespace quiver::row_loops
