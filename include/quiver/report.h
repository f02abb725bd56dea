#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace quiver {

// One evaluation: one routed model, one metric.
struct ResultRow {
  std::string name = {};     // shown under the bar, e.g. "arrow_mbc"; never empty
  std::string library = {};  // "" for the base model alone
  std::string router = {};   // "base", "arrow", "expert:NAME", ...; never empty
  std::string combine = {};  // "output" or "parameter"; "" where it does not apply
  int top_k = 0;             // experts per token; 0 where it does not apply
  std::string metric = {};   // "rougeL", "acc", "acc_norm", "mttl", "exact_match" or "mean"
  double value = 0;          // rougeL: 0..100; the accuracies: 0..1; mean over examples
  std::int64_t n = 0;        // examples
  std::map<std::string, double> per_task = {};  // the same metric for each task; may be empty
  double seconds = 0;                           // wall-clock time of the evaluation
  std::int64_t tokens = 0;                      // tokens generated or scored in that time
};

// The content of a results.json.
struct Results {
  std::string base = {};     // the base model, as the user named it
  std::string version = {};  // of the Quiver that wrote the file; write_results puts its own here when empty
  nlohmann::json machine = nlohmann::json::object();  // write_results describes this machine when empty
  std::vector<ResultRow> rows = {};
};

// Writes results.json whole (see write_file_atomic). Throws Error(kInvalidArgument) when a row breaks a rule
// stated at ResultRow, so that every file written can be read back; Error(kIo).
void write_results(const Results& results, const std::filesystem::path& path);

// The text that write_results writes. Throws Error(kInvalidArgument) as it does.
std::string results_text(const Results& results);

// Reads results.json, at most 64 MB. Strict: a missing, unknown or mistyped key, an unknown metric and a
// value out of its range are refused with the row and the key. Throws Error(kNotFound, kIo, kCorruptFile).
Results read_results(const std::filesystem::path& path);

// The mean over tasks, which weighs every task alike; nothing where the row has no per-task values.
std::optional<double> task_mean(const ResultRow& row);

struct TableOptions {
  std::size_t max_column_width = 40;  // longer names end in "..."; in characters
};

// A table for the terminal: a heading, a rule, one line per row, each ending in a newline. Columns line up
// when every character is one cell wide. Control characters and broken UTF-8 are replaced, so text from a
// file can neither break the lines nor steer the terminal.
std::string format_table(const Results& results, const TableOptions& options = {});

// Draws the bar charts: one panel per metric present, one bar per row, coloured by library, values printed on
// the bars. The extension of `out` chooses the format: .svg or .png (1200 pixels wide up to 24 bars, then
// wider). The picture appears whole or not at all. Throws Error(kInvalidArgument) for another extension, no
// rows, or more than 200 bars in a panel; Error(kNotFound) where gnuplot is not installed; Error(kIo).
void plot_results(const Results& results, const std::filesystem::path& out);

// This machine: {"cpu", "cores", "memory_bytes", "os", "compiler"}. What cannot be found is "unknown" or 0.
nlohmann::json machine_description();

}  // namespace quiver
