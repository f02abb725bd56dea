#include "result_rows.h"

#include <algorithm>
#include <cstdio>

#include "json_lines.h"

namespace quiver::program {

ResultRow result_row(const RoutedModel& model, const Evaluation& evaluation, const std::string& library,
                     const std::string& suffix) {
  const RouterOptions& router = model.router();
  const RouterInfo info = router_info(router);
  ResultRow row;
  row.router = router_name(router);
  row.name = row.router + (suffix.empty() ? "" : "_" + suffix);
  row.library = router.router == "base" ? "" : library;
  row.combine = info.combines ? combine_name(router.combine) : "";
  const auto experts = static_cast<int>(model.expert_names().size());
  row.top_k = info.selects ? (router.top_k > 0 ? router.top_k : experts) : 0;
  row.metric = evaluation.metric;
  row.value = evaluation.value;
  row.n = evaluation.n;
  row.per_task = evaluation.per_task;
  row.seconds = evaluation.seconds;
  row.tokens = evaluation.tokens;
  if (!evaluation.routing.empty()) row.routing = evaluation.routing.measures();
  return row;
}

namespace {

const ScoredRow* find_row(const std::vector<ScoredRow>& rows, const ScoredRow& like,
                          const std::string& router, const std::string& library) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const ScoredRow& other) {
    return other.row.router == router && other.row.library == library &&
           other.row.metric == like.row.metric && other.scores.size() == like.scores.size();
  });
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace

std::vector<ResultRow> with_oracle_shares(const std::vector<ScoredRow>& rows) {
  std::vector<ResultRow> result;
  for (const ScoredRow& scored : rows) {
    ResultRow& row = result.emplace_back(scored.row);
    const ScoredRow* base = find_row(rows, scored, "base", "");
    const ScoredRow* oracle = find_row(rows, scored, "oracle", row.library);
    if (base == nullptr || oracle == nullptr || oracle == &scored || scored.scores.empty()) continue;
    row.share_of_oracle = share_of_oracle(scored.scores, base->scores, oracle->scores);
  }
  return result;
}

void report_results(const Results& results, const std::string& out) {
  std::fputs(format_table(results).c_str(), stderr);
  if (out.empty()) {
    write_output("", results_text(results));
  } else {
    write_results(results, out);
  }
}

}  // namespace quiver::program
