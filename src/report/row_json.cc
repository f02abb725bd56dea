#include "report/row_json.h"

#include <algorithm>
#include <cmath>

#include "core/strings.h"
#include "report/routing_json.h"

namespace quiver {
namespace {

const std::vector<std::string> kMetrics = {"rougeL", "acc", "acc_norm", "mttl", "exact_match", "mean"};
const JsonChecker::Keys kKeys = {{"name", "library", "router", "combine", "top_k", "metric", "value", "n",
                                  "per_task", "seconds", "tokens"},
                                 {"share_of_oracle", "share_low", "share_high", "routing"}};

// Of a real gain no share is larger, and none of these overflows a picture's arithmetic.
constexpr double kMaxShare = 1e9;

void check_share(const OracleShare& share, const JsonChecker& checker) {
  checker.in_range(share.value, "share_of_oracle", -kMaxShare, kMaxShare);
  checker.in_range(share.low, "share_low", -kMaxShare, kMaxShare);
  checker.in_range(share.high, "share_high", -kMaxShare, kMaxShare);
  checker.require(share.low <= share.high, "'share_low' is above 'share_high'");
}

// The rules stated at ResultRow, the same for reading and writing.
void check_row(const ResultRow& row, const JsonChecker& checker) {
  checker.require(!row.name.empty(), "'name' is empty");
  checker.require(!row.router.empty(), "'router' is empty");
  checker.require(
      row.combine.empty() || row.combine == "output" || row.combine == "parameter",
      "'combine' must be \"output\", \"parameter\" or \"\" but is " + JsonChecker::shown(row.combine));
  checker.require(std::find(kMetrics.begin(), kMetrics.end(), row.metric) != kMetrics.end(),
                  "unknown 'metric' " + JsonChecker::shown(row.metric),
                  "it is one of " + join(kMetrics, ", "));
  const double top = metric_top(row.metric);
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
  if (row.share_of_oracle) check_share(*row.share_of_oracle, checker);
  if (row.routing) check_routing(*row.routing, checker);
}

}  // namespace

double metric_top(const std::string& metric) { return metric == "rougeL" ? 100 : 1; }

ResultRow row_from_json(const Json& object, const JsonChecker& checker) {
  checker.keys(object, kKeys);
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
  for (const auto& item : checker.object(object, "per_task").items()) {
    row.per_task[item.key()] = checker.number(item.value(), "per_task." + item.key());
  }
  row.seconds = checker.number(object.at("seconds"), "seconds");
  row.tokens = checker.count(object, "tokens");
  const auto shares =
      object.count("share_of_oracle") + object.count("share_low") + object.count("share_high");
  if (shares > 0) {
    checker.require(shares == 3, "'share_of_oracle', 'share_low' and 'share_high' go together");
    const auto share = [&](const char* key) { return checker.number(object.at(key), key); };
    row.share_of_oracle = {share("share_of_oracle"), share("share_low"), share("share_high")};
  }
  if (object.contains("routing")) row.routing = routing_from_json(object.at("routing"), checker);
  check_row(row, checker);
  return row;
}

Json row_to_json(const ResultRow& row, const JsonChecker& checker) {
  check_row(row, checker);
  Json json = {
      {"name", row.name},         {"library", row.library}, {"router", row.router}, {"combine", row.combine},
      {"top_k", row.top_k},       {"metric", row.metric},   {"value", row.value},   {"n", row.n},
      {"per_task", row.per_task}, {"seconds", row.seconds}, {"tokens", row.tokens}};
  if (row.share_of_oracle) {
    json["share_of_oracle"] = row.share_of_oracle->value;
    json["share_low"] = row.share_of_oracle->low;
    json["share_high"] = row.share_of_oracle->high;
  }
  if (row.routing) json["routing"] = routing_to_json(*row.routing);
  return json;
}

}  // namespace quiver
