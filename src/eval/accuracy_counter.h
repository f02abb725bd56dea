#pragma once

#include <map>
#include <string>
#include <vector>

#include "quiver/evaluation.h"

namespace quiver {

// Sets value, n, scores and per_task of an evaluation from whether each example was right, and its task.
class AccuracyCounter {
 public:
  void add(const std::string& task, bool right);
  void fill(Evaluation& evaluation) const;

 private:
  struct Count {
    std::int64_t right = 0, n = 0;
  };
  std::map<std::string, Count> tasks_;
  std::vector<double> scores_;
};

}  // namespace quiver
