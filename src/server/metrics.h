#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/mutex.h"

namespace quiver {

// What a server counts, as Prometheus reads it: text format 0.0.4.
class MetricsText {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  // Once a metric, before its samples. `type`: "counter", "gauge", "histogram".
  void declare(const std::string& name, const std::string& type, const std::string& help);
  void sample(const std::string& name, const Labels& labels, double value);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Counts of values up to some bounds. Not thread-safe.
class Histogram {
 public:
  // Ascending.
  explicit Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

  void add(double value);
  void write(MetricsText& text, const std::string& name, const MetricsText::Labels& labels) const;

 private:
  const std::vector<double> bounds_;
  std::vector<std::uint64_t> counts_;  // of each bound alone, and of what is beyond
  double sum_ = 0;
};

// What became of the requests for text, under vLLM's names. Thread-safe.
class RequestMetrics {
 public:
  void add_prompt(std::int64_t tokens);
  void add_first_tokens(std::int64_t tokens, double seconds);  // that came together, since the request came
  void add_tokens(std::int64_t tokens, double seconds_each);   // after the first
  void add_queue_time(double seconds);  // since the request came, until a sequence joined the batch
  void add_done(const std::string& finish_reason, double seconds);  // a sequence, since the request came
  // Tokens of a prompt by the expert that had the most weight for them.
  void add_expert_tokens(const std::string& expert, std::int64_t tokens);
  void add_router_entropy(double bits);

  void write(MetricsText& text, const MetricsText::Labels& labels) const;

 private:
  mutable Mutex mutex_;
  std::uint64_t prompt_tokens_ QUIVER_GUARDED_BY(mutex_) = 0;
  std::uint64_t new_tokens_ QUIVER_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::uint64_t> done_ QUIVER_GUARDED_BY(mutex_) = {
      {"stop", 0}, {"length", 0}, {"abort", 0}, {"error", 0}};
  std::map<std::string, std::uint64_t> expert_tokens_ QUIVER_GUARDED_BY(mutex_);
  Histogram first_token_ QUIVER_GUARDED_BY(mutex_){{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,
                                                    0.25,  0.5,   0.75, 1,    2.5,  5,    7.5,  10,
                                                    20,    40,    80,   160,  640,  2560}};
  Histogram inter_token_ QUIVER_GUARDED_BY(mutex_){
      {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80}};
  static std::vector<double> latencies();  // bounds, in seconds
  Histogram queue_ QUIVER_GUARDED_BY(mutex_){latencies()};
  Histogram whole_ QUIVER_GUARDED_BY(mutex_){latencies()};
  Histogram entropy_ QUIVER_GUARDED_BY(mutex_){{0.1, 0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 10}};
};

}  // namespace quiver
