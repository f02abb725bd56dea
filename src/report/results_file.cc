#include <algorithm>
#include <cmath>

#include "core/files.h"
#include "core/json.h"
#include "core/strings.h"
#include "quiver/report.h"
#include "quiver/version.h"

namespace quiver {
namespace {

constexpr std::uint64_t kMaxFileBytes = 64ull << 20;
// Beyond this a double no longer holds every integer, and no evaluation counts so far.
constexpr std::int64_t kMaxCount = std::int64_t{1} << 53;

const std::vector<std::string> kMetrics = {"rougeL", "acc", "acc_norm", "mttl", "exact_match", "mean"};
const std::vector<std::string> kFileKeys = {"quiver", "machine", "base", "rows"};
const std::vector<std::string> kRowKeys = {"name",  "library", "router",   "combine", "top_k", "metric",
                                           "value", "n",       "per_task", "seconds", "tokens"};

// Throws errors about one object of the file; `where_` says which.
class Checker {
 public:
  Checker(std::string where, ErrorKind kind) : where_(std::move(where)), kind_(kind) {}

  void require(bool holds, const std::string& message, const std::string& hint = {}) const {
    if (!holds) throw Error(kind_, where_ + ": " + message, hint);
  }

  void only_keys(const Json& object, const std::vector<std::string>& known) const {
    require(object.is_object(), "expected an object, got " + shown(object));
    for (const auto& item : object.items()) {
      require(std::find(known.begin(), known.end(), item.key()) != known.end(),
              "unknown key " + shown(item.key()), did_you_mean(item.key(), known));
    }
    for (const std::string& key : known) require(object.contains(key), "'" + key + "' is missing");
  }

  std::string text(const Json& object, const char* key) const {
    const Json& value = object.at(key);
    require(value.is_string(), wrong_type(key, "text", value));
    return value.get<std::string>();
  }

  double number(const Json& value, const std::string& key) const {
    require(value.is_number(), wrong_type(key, "a number", value));
    return value.get<double>();
  }

  std::int64_t count(const Json& object, const char* key) const {
    const Json& value = object.at(key);
    const bool fits = value.is_number_integer() && value.get<double>() >= 0 &&
                      value.get<double>() <= static_cast<double>(kMaxCount);
    require(fits, wrong_type(key, "a whole number, 0 or more,", value));
    return value.get<std::int64_t>();
  }

  static std::string shown(const Json& value) { return dump_json(value).substr(0, 100); }

 private:
  static std::string wrong_type(const std::string& key, const char* wanted, const Json& value) {
    return "'" + key + "' must be " + wanted + " but is " + shown(value);
  }

  std::string where_;
  ErrorKind kind_;
};

// The rules stated at ResultRow, the same for reading and writing.
void check_row(const ResultRow& row, const Checker& checker) {
  checker.require(!row.name.empty(), "'name' is empty");
  checker.require(!row.router.empty(), "'router' is empty");
  checker.require(
      row.combine.empty() || row.combine == "output" || row.combine == "parameter",
      "'combine' must be \"output\", \"parameter\" or \"\" but is " + Checker::shown(row.combine));
  checker.require(std::find(kMetrics.begin(), kMetrics.end(), row.metric) != kMetrics.end(),
                  "unknown 'metric' " + Checker::shown(row.metric), "it is one of " + join(kMetrics, ", "));
  const double top = row.metric == "rougeL" ? 100 : 1;
  const auto in_range = [&](double value, const std::string& key) {
    checker.require(std::isfinite(value) && value >= 0 && value <= top,
                    "'" + key + "' must lie between 0 and " + (top > 1 ? "100" : "1") + " for " + row.metric +
                        " but is " + std::to_string(value));
  };
  in_range(row.value, "value");
  for (const auto& [task, value] : row.per_task) in_range(value, "per_task." + task);
  checker.require(std::isfinite(row.seconds) && row.seconds >= 0,
                  "'seconds' must be 0 or more but is " + std::to_string(row.seconds));
  checker.require(row.top_k >= 0 && row.n >= 0 && row.tokens >= 0, "a count is negative");
  checker.require(row.n <= kMaxCount && row.tokens <= kMaxCount, "a count is too large");
}

ResultRow row_from_json(const Json& object, const Checker& checker) {
  checker.only_keys(object, kRowKeys);
  ResultRow row;
  row.name = checker.text(object, "name");
  row.library = checker.text(object, "library");
  row.router = checker.text(object, "router");
  row.combine = checker.text(object, "combine");
  const std::int64_t top_k = checker.count(object, "top_k");
  checker.require(top_k <= 1'000'000, "'top_k' is too large: " + std::to_string(top_k));
  row.top_k = static_cast<int>(top_k);
  row.metric = checker.text(object, "metric");
  row.value = checker.number(object.at("value"), "value");
  row.n = checker.count(object, "n");
  checker.require(object.at("per_task").is_object(),
                  "'per_task' must be an object but is " + Checker::shown(object.at("per_task")));
  for (const auto& item : object.at("per_task").items()) {
    row.per_task[item.key()] = checker.number(item.value(), "per_task." + item.key());
  }
  row.seconds = checker.number(object.at("seconds"), "seconds");
  row.tokens = checker.count(object, "tokens");
  check_row(row, checker);
  return row;
}

Json row_to_json(const ResultRow& row) {
  return {
      {"name", row.name},         {"library", row.library}, {"router", row.router}, {"combine", row.combine},
      {"top_k", row.top_k},       {"metric", row.metric},   {"value", row.value},   {"n", row.n},
      {"per_task", row.per_task}, {"seconds", row.seconds}, {"tokens", row.tokens}};
}

}  // namespace

std::string results_text(const Results& results) {
  Json rows = Json::array();
  for (const ResultRow& row : results.rows) {
    const std::string where = "result row " + std::to_string(rows.size()) + " " + Checker::shown(row.name);
    check_row(row, Checker(where, ErrorKind::kInvalidArgument));
    rows.push_back(row_to_json(row));
  }
  const Json file = {{"quiver", results.version.empty() ? kVersion : results.version},
                     {"machine", results.machine.empty() ? machine_description() : results.machine},
                     {"base", results.base},
                     {"rows", std::move(rows)}};
  return dump_json(file, 2) + "\n";
}

void write_results(const Results& results, const std::filesystem::path& path) {
  write_file_atomic(path, results_text(results));
}

Results read_results(const std::filesystem::path& path) {
  const Json file = read_json_file(path, kMaxFileBytes);
  const std::string& where = path.native();
  const Checker checker(where, ErrorKind::kCorruptFile);
  checker.only_keys(file, kFileKeys);
  Results results;
  results.version = checker.text(file, "quiver");
  results.base = checker.text(file, "base");
  results.machine = file.at("machine");
  checker.require(results.machine.is_object(),
                  "'machine' must be an object but is " + Checker::shown(results.machine));
  const Json& rows = file.at("rows");
  checker.require(rows.is_array(), "'rows' must be an array but is " + Checker::shown(rows));
  for (const Json& row : rows) {
    const Checker row_checker(where + ": row " + std::to_string(results.rows.size()),
                              ErrorKind::kCorruptFile);
    results.rows.push_back(row_from_json(row, row_checker));
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
