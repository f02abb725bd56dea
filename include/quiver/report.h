#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quiver/measures.h"

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
  // Against the base and the oracle over the same library and prompts; nothing where these were not run.
  std::optional<OracleShare> share_of_oracle = {};
  std::optional<RoutingMeasures> routing = {};  // nothing for the base alone and where it was not recorded
};

// What one row's model made of a sample prompt.
struct SampleAnswer {
  std::size_t row = 0;    // index into Results::rows
  std::string text = {};  // the answer
  double score = 0;       // on the scale of the row's metric
  // The prompt's tokens as text, each with the expert of the largest weight, "" for none; empty where it was
  // not recorded.
  std::vector<std::pair<std::string, std::string>> tokens = {};
};

// A prompt with the answers of every model to it.
struct Sample {
  std::string task = {};
  std::string prompt = {};
  std::string target = {};
  std::vector<SampleAnswer> answers = {};
};

// The content of a results.json.
struct Results {
  std::string base = {};     // the base model, as the user named it
  std::string version = {};  // of the Quiver that wrote the file; write_results puts its own here when empty
  nlohmann::json machine = nlohmann::json::object();  // write_results describes this machine when empty
  std::vector<ResultRow> rows = {};
  std::vector<Sample> samples = {};  // a dozen prompts at most, to look at
};

// Writes results.json whole (see write_file_atomic). Throws Error(kInvalidArgument) when a row breaks a rule
// stated at ResultRow, so that every file written can be read back; Error(kIo).
void write_results(const Results& results, const std::filesystem::path& path);

// The text that write_results writes. Throws Error(kInvalidArgument) as it does.
std::string results_text(const Results& results);

// Reads results.json, at most 64 MB. Strict: a missing, unknown or mistyped key, an unknown metric and a
// value out of its range are refused with the row and the key. Files without shares, routing and samples,
// as older versions wrote them, are read. Throws Error(kNotFound, kIo, kCorruptFile).
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

// Draws where the routers sent the prompts: tasks by experts, one panel a row with routing weights, the
// weights in percent in the cells. Of more than 24 experts in a panel those with the most weight are shown,
// and the sum of the others. Format and errors as plot_results; Error(kInvalidArgument) where no row has
// routing weights, for more than 40 panels and for more than 100 tasks.
void plot_heat_maps(const Results& results, const std::filesystem::path& out);

// A table of numbers to draw.
struct MatrixPanel {
  std::string title = {};
  std::string subtitle = {};
  std::vector<std::string> rows = {}, columns = {};
  std::vector<std::vector<double>> shades = {};      // (rows, columns); 0 light .. 1 dark
  std::vector<std::vector<std::string>> texts = {};  // (rows, columns); four digits fit a cell
};

// Draws the panels into one picture, two side by side. Format and errors as plot_results;
// Error(kInvalidArgument) for no panels, more than 40, and a panel without a cell or of more than 100 rows or
// columns.
void plot_matrices(std::span<const MatrixPanel> panels, const std::filesystem::path& out);

// One results.json of a report.
struct ReportPart {
  std::string title = {};  // its heading, e.g. the file's name
  Results results = {};
};

// An HTML page of its own, without scripts and outside resources: for each part the table, bars, heat maps,
// per-task values and samples. Every text is escaped; the same parts give the same bytes. Throws
// Error(kInvalidArgument) where there are no rows at all, and as write_results.
std::string report_page(std::span<const ReportPart> parts);

// This machine: {"cpu", "cores", "memory_bytes", "os", "compiler"}. What cannot be found is "unknown" or 0.
nlohmann::json machine_description();

}  // namespace quiver
