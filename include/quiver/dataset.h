#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace quiver {

enum class Split { kTrain, kValidation, kTest };

// Which end of a too long token sequence is cut off.
enum class TruncationSide { kLeft, kRight };

// One prompt and its answer. The names are those of the FLAN flat data sets' columns; texts are UTF-8 as they
// stand in the file.
struct Example {
  std::string source;       // the whole prompt
  std::string target;       // the answer
  std::string task_name;    // e.g. "sciq_Multiple_Choice"
  std::string task_source;  // the submix the task comes from, e.g. "P3"; empty where there is no such column
  std::string template_type;  // prompt format, e.g. "zs_noopt"; empty where there is no such column
};

struct DatasetOptions {
  // A .parquet file, a JSON lines file (.jsonl, .json), or a folder that holds .parquet or .jsonl files.
  std::string path;
  std::vector<std::string> tasks = {};  // empty: all
  std::string tasks_file = {};          // the file that named the tasks, for messages; empty: none
  std::string include_task_source = "P3,Flan2021,CoT";  // comma-separated; "*": all
  std::string include_template_type = "*";              // comma-separated; "*": all
  bool remove_phi_eval_tasks = false;  // drop the seven tasks whose questions downstream evaluations reuse
};

// The examples of a multi-task data set by split, in the order of their files. Files of a folder and its
// sub-folders are read in the order of their paths. A value; const access is thread-safe.
class TaskDataset {
 public:
  // Reads, then filters: first by task, then by source, format and the evaluation list. Rows without a
  // task_source (or template_type) pass that filter. The column `split` holds train, validation (or valid,
  // dev) or test; JSON lines without it are training rows, which a warning says. Other columns are not looked
  // at. Throws Error(kNotFound) for a missing path or an unknown task (with the nearest names),
  // Error(kCorruptFile) for broken files, missing columns and wrong types, Error(kInvalidArgument) for a task
  // that a filter removed whole, naming the filter.
  static TaskDataset load(const DatasetOptions& options);

  const std::vector<Example>& examples(Split split) const { return splits_[static_cast<int>(split)]; }

  // Every task that has a row in any split, sorted.
  std::vector<std::string> task_names() const;

  // The rows of these tasks, in their order here. Throws Error(kNotFound) for a task that is not there.
  TaskDataset only(const std::vector<std::string>& tasks) const;

  // Keeps `count_or_fraction` rows of a split: a number of rows, a fraction when below 1 (rounded down, but
  // at least one row), all when -1 or when there are no more. `per_task` divides a number evenly among the
  // split's tasks, rounded down but at least one row each, or takes the fraction of each. The choice is a
  // shuffle by std::mt19937_64 with seed 1234 (Fisher-Yates, so it depends on nothing but the number of
  // rows); kept rows stay in their order. Throws Error(kInvalidArgument) for 0 and for other negative
  // numbers.
  void subsample(Split split, double count_or_fraction, bool per_task);

  // Keeps the first `per_task` rows of each task of a split; none when 0.
  void take_first(Split split, std::int64_t per_task);

 private:
  std::array<std::vector<Example>, 3> splits_;
};

// All rows of one file or folder, in order, whatever their split. Throws as TaskDataset::load does.
std::vector<Example> read_examples(const std::filesystem::path& path);

}  // namespace quiver
