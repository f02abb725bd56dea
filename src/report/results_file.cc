#include "core/files.h"
#include "core/json.h"
#include "quiver/report.h"
#include "quiver/version.h"
#include "report/json_checker.h"
#include "report/row_json.h"
#include "report/sample_json.h"

namespace quiver {
namespace {

constexpr std::uint64_t kMaxFileBytes = 64ull << 20;

const JsonChecker::Keys kFileKeys = {{"quiver", "machine", "base", "rows"}, {"samples"}};

// `text`, an object, with samples before its last brace, one a line: indented, every token would take four.
std::string with_samples(std::string text, const Results& results) {
  if (results.samples.empty()) return text;
  text.resize(text.find_last_of('}') - 1);
  text += ",\n  \"samples\": [";
  for (std::size_t i = 0; i < results.samples.size(); ++i) {
    const JsonChecker checker("sample " + std::to_string(i), ErrorKind::kInvalidArgument);
    text += i == 0 ? "\n    " : ",\n    ";
    text += dump_json(sample_to_json(results.samples[i], results.rows, checker));
  }
  return text + "\n  ]\n}";
}

}  // namespace

std::string results_text(const Results& results) {
  Json rows = Json::array();
  for (const ResultRow& row : results.rows) {
    const std::string where =
        "result row " + std::to_string(rows.size()) + " " + JsonChecker::shown(row.name);
    rows.push_back(row_to_json(row, JsonChecker(where, ErrorKind::kInvalidArgument)));
  }
  const Json file = {{"quiver", results.version.empty() ? kVersion : results.version},
                     {"machine", results.machine.empty() ? machine_description() : results.machine},
                     {"base", results.base},
                     {"rows", std::move(rows)}};
  return with_samples(dump_json(file, 2), results) + "\n";
}

void write_results(const Results& results, const std::filesystem::path& path) {
  write_file_atomic(path, results_text(results));
}

Results read_results(const std::filesystem::path& path) {
  const Json file = read_json_file(path, kMaxFileBytes);
  const std::string& where = path.native();
  const JsonChecker checker(where, ErrorKind::kCorruptFile);
  checker.keys(file, kFileKeys);
  Results results;
  results.version = checker.text(file, "quiver");
  results.base = checker.text(file, "base");
  results.machine = checker.object(file, "machine");
  for (const Json& row : checker.array(file, "rows")) {
    const JsonChecker row_checker(where + ": row " + std::to_string(results.rows.size()),
                                  ErrorKind::kCorruptFile);
    results.rows.push_back(row_from_json(row, row_checker));
  }
  if (!file.contains("samples")) return results;
  for (const Json& sample : checker.array(file, "samples")) {
    const JsonChecker sample_checker(where + ": sample " + std::to_string(results.samples.size()),
                                     ErrorKind::kCorruptFile);
    results.samples.push_back(sample_from_json(sample, results.rows, sample_checker));
  }
  return results;
}

std::optional<double> task_mean(const ResultRow& row) {
  if (row.per_task.empty()) return std::nullopt;
  double sum = 0;
  for (const auto& [task, value] : row.per_task) sum += value;
  return sum / static_cast<double>(row.per_task.size());
}

}  // namespace quiver
