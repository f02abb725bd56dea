#pragma once

#include <vector>

#include "bench_report.h"

namespace quiver::program {

// What this machine can do at most with the threads that are set: float32 matrix products as the models
// compute them, GFLOP/s, and reading memory, GB/s.
std::vector<Measurement> measure_limits();

// The faster of the matrix products, GFLOP/s.
double matrix_product_limit(const std::vector<Measurement>& limits);

}  // namespace quiver::program
