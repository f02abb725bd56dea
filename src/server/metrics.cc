#include "server/metrics.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "core/strings.h"

namespace quiver {
namespace {

std::string exact_text(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

std::string label_text(const std::string& value) {
  return replace_all(replace_all(replace_all(value, "\\", "\\\\"), "\"", "\\\""), "\n", "\\n");
}

}  // namespace

void MetricsText::declare(const std::string& name, const std::string& type, const std::string& help) {
  text_ += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
}

void MetricsText::sample(const std::string& name, const Labels& labels, double value) {
  text_ += name;
  for (std::size_t i = 0; i < labels.size(); ++i)
    text_ += (i == 0 ? "{" : ",") + labels[i].first + "=\"" + label_text(labels[i].second) + "\"";
  text_ += (labels.empty() ? " " : "} ") + exact_text(value) + "\n";
}

void Histogram::add(double value) {
  const auto place = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  ++counts_[static_cast<std::size_t>(place)];
  sum_ += value;
}

void Histogram::write(MetricsText& text, const std::string& name, const MetricsText::Labels& labels) const {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    count += counts_[i];
    MetricsText::Labels with_bound = labels;
    with_bound.emplace_back("le", i < bounds_.size() ? exact_text(bounds_[i]) : "+Inf");
    text.sample(name + "_bucket", with_bound, static_cast<double>(count));
  }
  text.sample(name + "_sum", labels, sum_);
  text.sample(name + "_count", labels, static_cast<double>(count));
}

void RequestMetrics::add_prompt(std::int64_t tokens) {
  const MutexLock lock(mutex_);
  prompt_tokens_ += static_cast<std::uint64_t>(tokens);
}

void RequestMetrics::add_first_tokens(std::int64_t tokens, double seconds) {
  const MutexLock lock(mutex_);
  new_tokens_ += static_cast<std::uint64_t>(tokens);
  first_token_.add(seconds);
}

void RequestMetrics::add_tokens(std::int64_t tokens, double seconds_each) {
  const MutexLock lock(mutex_);
  new_tokens_ += static_cast<std::uint64_t>(tokens);
  for (std::int64_t i = 0; i < tokens; ++i) inter_token_.add(seconds_each);
}

std::vector<double> RequestMetrics::latencies() {
  return {0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
}

void RequestMetrics::add_queue_time(double seconds) {
  const MutexLock lock(mutex_);
  queue_.add(seconds);
}

void RequestMetrics::add_done(const std::string& finish_reason, double seconds) {
  const MutexLock lock(mutex_);
  ++done_[finish_reason];
  whole_.add(seconds);
}

void RequestMetrics::add_expert_tokens(const std::string& expert, std::int64_t tokens) {
  const MutexLock lock(mutex_);
  expert_tokens_[expert] += static_cast<std::uint64_t>(tokens);
}

void RequestMetrics::add_router_entropy(double bits) {
  const MutexLock lock(mutex_);
  entropy_.add(bits);
}

void RequestMetrics::write(MetricsText& text, const MetricsText::Labels& labels) const {
  const MutexLock lock(mutex_);
  const auto histogram = [&](const std::string& name, const Histogram& values, const std::string& help) {
    text.declare(name, "histogram", help);
    values.write(text, name, labels);
  };
  const auto with = [&](const std::string& name, const std::string& value) {
    MetricsText::Labels more = labels;
    more.emplace_back(name, value);
    return more;
  };
  text.declare("vllm:prompt_tokens_total", "counter", "Tokens of prompts.");
  text.sample("vllm:prompt_tokens_total", labels, static_cast<double>(prompt_tokens_));
  text.declare("vllm:generation_tokens_total", "counter", "New tokens.");
  text.sample("vllm:generation_tokens_total", labels, static_cast<double>(new_tokens_));
  text.declare("vllm:request_success_total", "counter", "Sequences that ended, by the reason.");
  for (const auto& [reason, count] : done_)
    text.sample("vllm:request_success_total", with("finished_reason", reason), static_cast<double>(count));
  histogram("vllm:request_queue_time_seconds", queue_,
            "From a request's arrival until a sequence joins the batch.");
  histogram("vllm:time_to_first_token_seconds", first_token_,
            "From a request's arrival to its first new token.");
  histogram("vllm:inter_token_latency_seconds", inter_token_, "Between two new tokens of a sequence.");
  histogram("vllm:e2e_request_latency_seconds", whole_, "From a request's arrival to a sequence's end.");
  text.declare("quiver:expert_tokens_total", "counter",
               "Prompt tokens by the expert with the most weight, of requests with `return_routing`.");
  for (const auto& [expert, count] : expert_tokens_)
    text.sample("quiver:expert_tokens_total", with("expert", expert), static_cast<double>(count));
  histogram("quiver:router_entropy", entropy_,
            "Entropy in bits of the experts' mean weights of a prompt, of requests with `return_routing`.");
}

}  // namespace quiver
