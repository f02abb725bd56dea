#include "bench_report.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "bench_limits.h"
#include "core/check.h"
#include "core/files.h"
#include "quiver/report.h"
#include "quiver/version.h"

namespace quiver::program {
namespace {

// The arguments as they were typed, the program by its name alone.
std::string command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string text = "quiver", argument;
  std::getline(file, argument, '\0');
  while (std::getline(file, argument, '\0')) text += " " + argument;
  return text;
}

Measurement share_of(const Measurement& measurement, double limit) {
  Measurement share{measurement.name + ", share of the limit", "1", measurement.values};
  for (double& value : share.values) value /= limit;
  return share;
}

void print_table(const std::vector<Measurement>& measurements) {
  std::size_t width = 4;
  for (const Measurement& m : measurements) width = std::max(width, m.name.size());
  std::printf("%-*s  %12s  %12s  %12s  %3s  %s\n", static_cast<int>(width), "name", "median", "min", "max",
              "n", "unit");
  for (const Measurement& m : measurements) {
    const auto [low, high] = std::minmax_element(m.values.begin(), m.values.end());
    std::printf("%-*s  %12.3f  %12.3f  %12.3f  %3zu  %s\n", static_cast<int>(width), m.name.c_str(),
                m.median(), *low, *high, m.values.size(), m.unit.c_str());
  }
}

}  // namespace

double Measurement::median() const {
  QUIVER_CHECK(!values.empty(), "a measurement has no value");
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

Json Measurement::to_json() const {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {{"name", name}, {"unit", unit},       {"median", median()}, {"min", *low},
          {"max", *high}, {"n", values.size()}, {"values", values}};
}

void publish(const BenchReport& report, const std::string& out) {
  const double peak = peak_memory_mib();
  const std::vector<Measurement> limits = measure_limits();
  std::vector<Measurement> rows = report.measurements;
  for (const Measurement& measurement : report.measurements) {
    if (measurement.unit == kMatrixUnit) rows.push_back(share_of(measurement, matrix_product_limit(limits)));
  }
  Json limits_json = Json::object(), measurements = Json::array();
  for (const Measurement& limit : limits) limits_json[limit.name] = limit.to_json();
  for (const Measurement& measurement : rows) measurements.push_back(measurement.to_json());
  const Json document = {{"quiver", kVersion},
                         {"machine", machine_description()},
                         {"threads", at::get_num_threads()},
                         {"command", command_line()},
                         {"limits", limits_json},
                         {"measurements", measurements},
                         {"peak_memory_mib", peak},
                         {"quality", report.quality}};
  rows.push_back({"peak memory", "MiB", {peak}});
  for (const Measurement& limit : limits) rows.push_back({"limit: " + limit.name, limit.unit, limit.values});
  print_table(rows);
  if (!out.empty()) write_file_atomic(out, dump_json(document, 1) + "\n");
}

void start_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

double peak_memory_mib() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (!line.starts_with("VmHWM:")) continue;
    double kibibytes = 0;
    std::istringstream(line.substr(6)) >> kibibytes;
    return kibibytes / 1024;
  }
  return 0;
}

}  // namespace quiver::program
