#include "quiver/dataset.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "core/log.h"
#include "core/strings.h"
#include "data/example_rows.h"
#include "quiver/error.h"

namespace quiver {
namespace {

constexpr std::uint64_t kSubsampleSeed = 1234;

// FLAN tasks made from the test beds of Phi-2's downstream evaluation.
constexpr const char* kPhiEvaluationTasks[] = {"hellaswag_1_1_0",        "ai2_arc_ARC_Challenge_1_0_0",
                                               "ai2_arc_ARC_Easy_1_0_0", "piqa_1_0_0",
                                               "winogrande_1_1_0",       "bool_q_1_0_0",
                                               "openbookqa_0_1_0"};

// What the filters did to one task.
struct TaskCount {
  std::size_t rows = 0;
  std::size_t kept = 0;
  std::string removed_by;  // the last filter that took a row, and the row's value
};

class RowFilter {
 public:
  explicit RowFilter(const DatasetOptions& options)
      : options_(options),
        tasks_(options.tasks.begin(), options.tasks.end()),
        sources_(to_set(options.include_task_source)),
        templates_(to_set(options.include_template_type)) {}

  // Counts the row and says whether it stays.
  bool keep(const Example& row) {
    TaskCount& count = counts_[row.task_name];
    if (!tasks_.empty() && !tasks_.contains(row.task_name)) return false;
    ++count.rows;
    if (!passes(sources_, row.task_source)) {
      count.removed_by =
          "include_task_source '" + options_.include_task_source + "', theirs is '" + row.task_source + "'";
    } else if (!passes(templates_, row.template_type)) {
      count.removed_by = "include_template_type '" + options_.include_template_type + "', theirs is '" +
                         row.template_type + "'";
    } else if (options_.remove_phi_eval_tasks &&
               std::ranges::find(kPhiEvaluationTasks, row.task_name) != std::end(kPhiEvaluationTasks)) {
      count.removed_by = "remove_phi_eval_tasks";
    } else {
      ++count.kept;
      return true;
    }
    return false;
  }

  // A requested task must exist and keep a row; a data set must keep one.
  void check_result() const {
    std::vector<std::string> names;
    for (const auto& [name, count] : counts_) names.push_back(name);
    for (const std::string& task : tasks_) {
      const auto found = counts_.find(task);
      if (found == counts_.end()) {
        const std::string named =
            options_.tasks_file.empty() ? "" : ", named in '" + options_.tasks_file + "',";
        throw Error(ErrorKind::kNotFound,
                    "task '" + task + "'" + named + " is not in data set '" + options_.path + "'",
                    did_you_mean(task, names));
      }
      if (found->second.kept == 0) throw_vanished("task '" + task + "'", found->second);
    }
    const auto kept = [](const auto& entry) { return entry.second.kept > 0; };
    if (std::ranges::any_of(counts_, kept)) return;
    if (counts_.empty()) throw Error(ErrorKind::kCorruptFile, "data set '" + options_.path + "' has no rows");
    throw_vanished("data set '" + options_.path + "'", counts_.begin()->second);
  }

 private:
  static std::set<std::string> to_set(const std::string& list) {
    const std::vector<std::string> names = split_list(list);
    return list == "*" ? std::set<std::string>{} : std::set<std::string>(names.begin(), names.end());
  }

  static bool passes(const std::set<std::string>& wanted, const std::string& value) {
    return wanted.empty() || value.empty() || wanted.contains(value);
  }

  [[noreturn]] static void throw_vanished(const std::string& what, const TaskCount& count) {
    throw Error(ErrorKind::kInvalidArgument, what + ": every row was removed by " + count.removed_by,
                "'*' keeps every source or format");
  }

  const DatasetOptions& options_;
  std::set<std::string> tasks_;
  std::set<std::string> sources_;    // empty: all
  std::set<std::string> templates_;  // empty: all
  std::map<std::string, TaskCount> counts_;
};

// `count` of the positions, chosen as TaskDataset::subsample describes, in ascending order.
std::vector<std::size_t> choose(std::vector<std::size_t> positions, std::size_t count) {
  std::mt19937_64 random(kSubsampleSeed);
  for (std::size_t i = 0; i < count; ++i) {
    std::swap(positions[i], positions[i + random() % (positions.size() - i)]);
  }
  positions.resize(count);
  std::ranges::sort(positions);
  return positions;
}

// Rows to keep of `available`, of which there are `groups` groups sharing a number.
std::size_t rows_to_keep(double count_or_fraction, std::size_t available, std::size_t groups) {
  constexpr double kRounding = 1e-9;  // 1/3 of 9 rows is 3 rows
  const double wanted = count_or_fraction < 1
                            ? std::floor(count_or_fraction * static_cast<double>(available) + kRounding)
                            : std::floor(count_or_fraction / static_cast<double>(groups) + kRounding);
  return static_cast<std::size_t>(std::clamp(wanted, 1.0, static_cast<double>(available)));
}

}  // namespace

TaskDataset TaskDataset::load(const DatasetOptions& options) {
  TaskDataset dataset;
  RowFilter filter(options);
  bool lacks_split = false;
  for (const std::filesystem::path& file : find_data_files(options.path)) {
    visit_rows(file, SplitColumn::kRequired, [&](ExampleRow&& row) {
      if (!filter.keep(row.example)) return;
      lacks_split = lacks_split || !row.split;
      const Split split = row.split.value_or(Split::kTrain);
      dataset.splits_[static_cast<int>(split)].push_back(std::move(row.example));
    });
  }
  filter.check_result();
  if (lacks_split) {
    log_warning("data set '" + options.path + "' has no column 'split': every row is a training row");
  }
  return dataset;
}

std::vector<std::string> TaskDataset::task_names() const {
  std::set<std::string> names;
  for (const auto& rows : splits_) {
    for (const Example& row : rows) names.insert(row.task_name);
  }
  return {names.begin(), names.end()};
}

TaskDataset TaskDataset::only(const std::vector<std::string>& tasks) const {
  const std::vector<std::string> known = task_names();
  for (const std::string& task : tasks) {
    if (!std::ranges::binary_search(known, task)) {
      throw Error(ErrorKind::kNotFound, "task '" + task + "' is not in the data set",
                  did_you_mean(task, known));
    }
  }
  const std::set<std::string> wanted(tasks.begin(), tasks.end());
  TaskDataset result;
  for (std::size_t split = 0; split < splits_.size(); ++split) {
    std::ranges::copy_if(splits_[split], std::back_inserter(result.splits_[split]),
                         [&](const Example& row) { return wanted.contains(row.task_name); });
  }
  return result;
}

void TaskDataset::subsample(Split split, double count_or_fraction, bool per_task) {
  if (count_or_fraction == -1) return;
  if (!(count_or_fraction > 0) || !std::isfinite(count_or_fraction)) {
    throw Error(ErrorKind::kInvalidArgument,
                "subsample " + std::to_string(count_or_fraction) + " must be above 0, or -1 for all rows");
  }
  std::vector<Example>& rows = splits_[static_cast<int>(split)];
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < rows.size(); ++i) groups[per_task ? rows[i].task_name : ""].push_back(i);
  std::vector<std::size_t> chosen;
  for (auto& [name, positions] : groups) {
    const std::size_t count = rows_to_keep(count_or_fraction, positions.size(), groups.size());
    std::ranges::copy(choose(std::move(positions), count), std::back_inserter(chosen));
  }
  std::ranges::sort(chosen);
  std::vector<Example> kept;
  kept.reserve(chosen.size());
  for (const std::size_t position : chosen) kept.push_back(std::move(rows[position]));
  rows = std::move(kept);
}

void TaskDataset::take_first(Split split, std::int64_t per_task) {
  std::map<std::string, std::int64_t> seen;
  std::erase_if(splits_[static_cast<int>(split)],
                [&](const Example& row) { return ++seen[row.task_name] > per_task; });
}

}  // namespace quiver
