#include "server/metrics.h"

#include <gtest/gtest.h>

namespace quiver {
namespace {

TEST(Metrics, HistogramsCountUpwards) {
  Histogram histogram({0.5, 1});
  for (const double value : {0.1, 0.5, 0.75, 3.0}) histogram.add(value);
  MetricsText text;
  text.declare("a_seconds", "histogram", "Help.");
  histogram.write(text, "a_seconds", {{"m", "x\"\\\n"}});
  EXPECT_EQ(text.text(),
            "# HELP a_seconds Help.\n# TYPE a_seconds histogram\n"
            "a_seconds_bucket{m=\"x\\\"\\\\\\n\",le=\"0.5\"} 2\n"
            "a_seconds_bucket{m=\"x\\\"\\\\\\n\",le=\"1\"} 3\n"
            "a_seconds_bucket{m=\"x\\\"\\\\\\n\",le=\"+Inf\"} 4\n"
            "a_seconds_sum{m=\"x\\\"\\\\\\n\"} 4.35\n"
            "a_seconds_count{m=\"x\\\"\\\\\\n\"} 4\n");
}

TEST(Metrics, RequestsAreCountedUnderVllmsNames) {
  RequestMetrics metrics;
  metrics.add_prompt(7);
  metrics.add_first_tokens(2, 0.03);
  metrics.add_tokens(3, 0.02);
  metrics.add_done("stop", 0.1);
  metrics.add_expert_tokens("a", 2);
  MetricsText text;
  metrics.write(text, {});
  for (const std::string line :
       {"vllm:prompt_tokens_total 7\n", "vllm:generation_tokens_total 5\n",
        "vllm:request_success_total{finished_reason=\"stop\"} 1\n",
        "vllm:request_success_total{finished_reason=\"length\"} 0\n",
        "vllm:time_to_first_token_seconds_bucket{le=\"0.02\"} 0\n",
        "vllm:time_to_first_token_seconds_bucket{le=\"0.04\"} 1\n",
        "vllm:inter_token_latency_seconds_count 3\n", "vllm:e2e_request_latency_seconds_sum 0.1\n",
        "quiver:expert_tokens_total{expert=\"a\"} 2\n"})
    EXPECT_NE(text.text().find(line), std::string::npos) << line << text.text();
}

}  // namespace
}  // namespace quiver
