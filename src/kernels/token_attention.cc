#include "kernels/token_attention.h"

#include "kernels/row_loops.h"
#include "kernels/vector_registers.h"

namespace quiver::row_loops {
namespace {

// out[n] = query . keys[n]. Four keys at a time, so that adding up across a register is not waited for.
QUIVER_VECTORISED
void score_keys(const float* query, const float* keys, std::int64_t stride, std::int64_t count,
                std::int64_t dim, float* out) {
  std::int64_t n = 0;
  for (; n + 4 <= count; n += 4) {
    const float* a = keys + n * stride;
    const float* b = a + stride;
    const float* c = b + stride;
    const float* d = c + stride;
    float sum_a = 0, sum_b = 0, sum_c = 0, sum_d = 0;
    for (std::int64_t i = 0; i < dim; ++i) {
      sum_a += query[i] * a[i];
      sum_b += query[i] * b[i];
      sum_c += query[i] * c[i];
      sum_d += query[i] * d[i];
    }
    out[n] = sum_a;
    out[n + 1] = sum_b;
    out[n + 2] = sum_c;
    out[n + 3] = sum_d;
  }
  for (; n < count; ++n) {
    float sum = 0;
    for (std::int64_t i = 0; i < dim; ++i) sum += query[i] * keys[n * stride + i];
    out[n] = sum;
  }
}

// out = sum over n of weights[n] * values[n].
QUIVER_VECTORISED
void weigh_values(const float* weights, const float* values, std::int64_t stride, std::int64_t count,
                  std::int64_t dim, float* __restrict out) {
  for (std::int64_t i = 0; i < dim; ++i) out[i] = 0;
  std::int64_t n = 0;
  for (; n + 4 <= count; n += 4) {
    const float* a = values + n * stride;
    const float* b = a + stride;
    const float* c = b + stride;
    const float* d = c + stride;
    for (std::int64_t i = 0; i < dim; ++i)
      out[i] += weights[n] * a[i] + weights[n + 1] * b[i] + weights[n + 2] * c[i] + weights[n + 3] * d[i];
  }
  for (; n < count; ++n) {
    for (std::int64_t i = 0; i < dim; ++i) out[i] += weights[n] * values[n * stride + i];
  }
}

}  // namespace

void attend_token(const float* query, std::int64_t heads, const float* keys, const float* values,
                  std::int64_t stride, std::int64_t count, std::int64_t dim, float scale, float* scores,
                  float* out) {
  for (std::int64_t head = 0; head < heads; ++head) {
    score_keys(query + head * dim, keys, stride, count, dim, scores);
    softmax(scores, count, scale);
    weigh_values(scores, values, stride, count, dim, out + head * dim);
  }
}

}  // namespace quiver::row_loops
