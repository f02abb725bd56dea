#include "bench_limits.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "kernels/linear.h"

namespace quiver::program {
namespace {

constexpr int kRepetitions = 5;

Measurement matrix_product(std::int64_t rows, std::int64_t in, std::int64_t out) {
  const at::Tensor x = at::randn({rows, in}), weight = at::randn({out, in});
  const double operations = 2.0 * static_cast<double>(rows * in * out);
  frozen_linear(x, weight);
  Measurement result{
      "gemm " + std::to_string(rows) + "x" + std::to_string(in) + "x" + std::to_string(out), kMatrixUnit, {}};
  constexpr int kCalls = 2;
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    const double seconds = seconds_of([&] {
      for (int call = 0; call < kCalls; ++call) frozen_linear(x, weight);
    });
    result.values.push_back(kCalls * operations / seconds / 1e9);
  }
  return result;
}

Measurement memory_read() {
  constexpr std::int64_t kFloats = 128 << 20;  // 512 MiB, more than any cache
  const at::Tensor buffer = at::ones({kFloats});
  Measurement result{"memory read", "GB/s", {}};
  buffer.sum();
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    const double seconds = seconds_of([&] { buffer.sum(); });
    result.values.push_back(static_cast<double>(kFloats) * sizeof(float) / seconds / 1e9);
  }
  return result;
}

}  // namespace

std::vector<Measurement> measure_limits() {
  const at::NoGradGuard no_gradients;
  return {matrix_product(2048, 576, 3072), matrix_product(2048, 2048, 2048), memory_read()};
}

double matrix_product_limit(const std::vector<Measurement>& limits) {
  double best = 0;
  for (const Measurement& limit : limits) {
    if (limit.unit == kMatrixUnit) best = std::max(best, limit.median());
  }
  return best;
}

}  // namespace quiver::program
