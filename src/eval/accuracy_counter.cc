#include "eval/accuracy_counter.h"

namespace quiver {

void AccuracyCounter::add(const std::string& task, bool right) {
  Count& count = tasks_[task];
  ++count.n;
  count.right += right ? 1 : 0;
  scores_.push_back(right ? 1 : 0);
}

void AccuracyCounter::fill(Evaluation& evaluation) const {
  Count all;
  for (const auto& [task, count] : tasks_) {
    evaluation.per_task[task] = static_cast<double>(count.right) / static_cast<double>(count.n);
    all.right += count.right;
    all.n += count.n;
  }
  evaluation.n = all.n;
  evaluation.scores = scores_;
  evaluation.value = static_cast<double>(all.right) / static_cast<double>(all.n);
}

}  // namespace quiver
