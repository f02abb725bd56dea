#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/json.h"

namespace quiver::program {

inline constexpr char kMatrixUnit[] = "GFLOP/s";

// One quantity, measured one or more times.
struct Measurement {
  std::string name;
  std::string unit;
  std::vector<double> values;  // not empty

  double median() const;
  Json to_json() const;  // {"name", "unit", "median", "min", "max", "n", "values"}
};

// What one `quiver bench` command found.
struct BenchReport {
  std::vector<Measurement> measurements;
  Json quality = Json::object();  // what was computed meanwhile: losses, texts, accuracies
};

// Measures the machine's limits, then prints a table and, when `out` is not empty, writes
//   {"quiver", "machine", "threads", "command", "limits", "measurements", "peak_memory_mib", "quality"}
// as one file. Measurements in kMatrixUnit come a second time as a share of the fastest matrix product. The
// memory is the largest since start_peak_memory(), the limits' own not included. Throws Error(kIo).
void publish(const BenchReport& report, const std::string& out);

// Lets peak_memory_mib() forget what was used before.
void start_peak_memory();
double peak_memory_mib();

// Wall-clock seconds of one call.
template <typename Function>
double seconds_of(Function&& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace quiver::program
