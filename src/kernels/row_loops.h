#pragma once

#include <cstdint>

// The element-wise inner loops of the fused kernels, one row at a time, on plain float32 pointers. They are
// compiled with -ffast-math (so that exp vectorizes) once per instruction set and dispatched at load time;
// nothing here knows about tensors or threads.
namespace quiver::row_loops {

// y = x * rstd * w over n elements; returns rstd = 1 / sqrt(mean(x^2) + eps).
float rms_norm(const float* x, const float* w, float* y, std::int64_t n, float eps);

// dx for the above: rstd * (dy * w) - x * rstd^3 * mean(dy * w * x).
void rms_norm_backward(const float* dy, const float* x, const float* w, float rstd, float* dx,
                       std::int64_t n);

// y = silu(gate) * up.
void swiglu(const float* gate, const float* up, float* y, std::int64_t n);

// Gradients of the above with respect to gate and up.
void swiglu_backward(const float* dy, const float* gate, const float* up, float* dgate, float* dup,
                     std::int64_t n);

// Rotates one head in place, pairing element i with element i + half: (a, b) -> (a c - b s, b c + a s).
// `direction` -1 gives the inverse rotation, which is the gradient's.
void rotate_half(float* head, const float* cos, const float* sin, std::int64_t half, float direction);

// In place: p = exp(scale * (s - max)) / sum over n elements; returns log-sum-exp of scale * s.
float softmax(float* s, std::int64_t n, float scale);

// In place: p = exp(scale * s - lse).
void softmax_from_lse(float* s, std::int64_t n, float scale, float lse);

// In place on dp: ds = p * (dp - delta) * scale.
void softmax_backward(const float* p, float* dp, std::int64_t n, float delta, float scale);

// Mean of the squared distances from the mean.
float variance(const float* x, std::int64_t n);

float dot(const float* a, const float* b, std::int64_t n);

// log-sum-exp of n elements.
float log_sum_exp(const float* x, std::int64_t n);

// Whether x[index] is the first of the largest of n elements.
bool is_first_largest(const float* x, std::int64_t n, std::int64_t index);

// In place: x = exp(x - lse) * scale.
void exp_shifted(float* x, std::int64_t n, float lse, float scale);

}  // namespace quiver::row_loops
