#include "result_rows.h"

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
  return row;
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
