#include "quiver/dataset.h"

#include <algorithm>

#include "core/json.h"
#include "quiver/log.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using Strings = std::vector<std::string>;

std::string line(const std::string& text, const std::string& task, const std::string& split,
                 const std::string& task_source = "P3", const std::string& template_type = "zs_opt") {
  Json row = {{"source", text},
              {"target", "t"},
              {"task_name", task},
              {"task_source", task_source},
              {"template_type", template_type}};
  if (!split.empty()) row["split"] = split;
  return row.dump() + "\n";
}

Strings sources(const std::vector<Example>& rows) {
  Strings result;
  for (const Example& row : rows) result.push_back(row.source);
  return result;
}

class Dataset : public testing::Test {
 protected:
  DatasetOptions write(const std::string& content) {
    write_file_atomic(path_, content);
    return {.path = path_.string()};
  }

  test::ScratchDirectory scratch_;
  std::filesystem::path path_ = scratch_ / "rows.jsonl";
};

TEST_F(Dataset, SortsRowsIntoSplits) {
  const TaskDataset dataset = TaskDataset::load(write(line("1", "b", "train") + line("2", "a", "valid") +
                                                      line("3", "a", "validation") + line("4", "a", "dev") +
                                                      line("5", "a", "test") + line("6", "a", "train")));
  EXPECT_EQ(sources(dataset.examples(Split::kTrain)), (Strings{"1", "6"}));
  EXPECT_EQ(sources(dataset.examples(Split::kValidation)), (Strings{"2", "3", "4"}));
  EXPECT_EQ(sources(dataset.examples(Split::kTest)), (Strings{"5"}));
  EXPECT_EQ(dataset.task_names(), (Strings{"a", "b"}));
  EXPECT_EQ(dataset.examples(Split::kTest)[0].template_type, "zs_opt");
  EXPECT_EQ(sources(dataset.only({"b"}).examples(Split::kTrain)), (Strings{"1"}));
  EXPECT_EQ(error_message([&] { dataset.only({"c"}); }),
            "task 'c' is not in the data set | did you mean 'a' or 'b'?");
}

TEST_F(Dataset, RowsWithoutSplitAreForTrainingAndSaidSo) {
  const DatasetOptions options =
      write("{\"source\": \"s\", \"target\": [\"first\", \"second\"], \"task_name\": \"a\"}\n");
  std::vector<std::string> warnings;
  set_log_sink([&](const LogMessage& message) {
    if (message.level == LogLevel::kWarning) warnings.push_back(message.text);
  });
  const TaskDataset dataset = TaskDataset::load(options);
  set_log_sink({});
  EXPECT_EQ(warnings,
            Strings{"data set '" + options.path + "' has no column 'split': every row is a training row"});
  ASSERT_EQ(dataset.examples(Split::kTrain).size(), 1u);
  EXPECT_EQ(dataset.examples(Split::kTrain)[0].target, "first");
}

TEST_F(Dataset, FiltersAndNamesWhatRemovedATask) {
  DatasetOptions options =
      write(line("1", "kept", "train") + line("2", "other", "train", "NIv2") +
            line("3", "other", "test", "NIv2") + line("4", "piqa_1_0_0", "train", "Flan2021", "fs_opt"));
  EXPECT_EQ(TaskDataset::load(options).task_names(), (Strings{"kept", "piqa_1_0_0"}));

  options.tasks = {"other"};
  EXPECT_EQ(
      error_message([&] { TaskDataset::load(options); }),
      "task 'other': every row was removed by include_task_source 'P3,Flan2021,CoT', theirs is 'NIv2' | "
      "'*' keeps every source or format");
  options.include_task_source = "*";
  EXPECT_EQ(TaskDataset::load(options).task_names(), (Strings{"other"}));

  options.tasks = {};
  options.remove_phi_eval_tasks = true;
  EXPECT_EQ(TaskDataset::load(options).task_names(), (Strings{"kept", "other"}));
  options.remove_phi_eval_tasks = false;
  options.include_template_type = "fs_opt,fs_noopt";
  EXPECT_EQ(TaskDataset::load(options).task_names(), (Strings{"piqa_1_0_0"}));
  options.include_template_type = "none";
  EXPECT_NE(
      error_message([&] { TaskDataset::load(options); }).find("removed by include_template_type 'none'"),
      std::string::npos);
}

TEST_F(Dataset, NamesTheNearestTask) {
  DatasetOptions options = write(line("1", "sciq_Multiple_Choice", "train"));
  options.tasks = {"sciq_Multiple_Choise"};
  EXPECT_EQ(error_message([&] { TaskDataset::load(options); }),
            "task 'sciq_Multiple_Choise' is not in data set '" + path_.string() +
                "' | did you mean 'sciq_Multiple_Choice'?");
  options.tasks_file = "clusters.json";
  EXPECT_EQ(error_message([&] { TaskDataset::load(options); }),
            "task 'sciq_Multiple_Choise', named in 'clusters.json', is not in data set '" + path_.string() +
                "' | did you mean 'sciq_Multiple_Choice'?");
}

TEST_F(Dataset, APathThatNoSystemTakesIsNotFound) {
  EXPECT_EQ(error_message([&] { TaskDataset::load({.path = std::string(300, 'x')}); }),
            "data set '" + std::string(300, 'x') + "' not found: File name too long");
}

TEST_F(Dataset, NamesTheBadRow) {
  const auto failure = [&](const std::string& content) {
    const DatasetOptions options = write(content);
    return error_message([&] { TaskDataset::load(options); }).substr(path_.string().size());
  };
  EXPECT_EQ(failure(line("1", "a", "train") + R"({"source": "s", "target": "t"})"),
            ":2: column 'task_name' is missing; present: 'source', 'target'");
  EXPECT_EQ(failure(R"({"source": 5, "target": "t", "task_name": "a"})"),
            ":1: column 'source' must be text, is 5");
  EXPECT_EQ(failure(R"({"source": "s", "target": [], "task_name": "a"})"),
            ":1: column 'target' must be text, is []");
  EXPECT_EQ(failure(line("1", "a", "holdout")),
            ":1: unknown split 'holdout' | splits are train, validation (valid, dev) and test");
  EXPECT_EQ(failure(line("1", "a", "train") + line("2", "a", "")),
            ":2: 'split' is missing, earlier rows have it");
}

TEST_F(Dataset, NamesAMissingOrEmptyPlace) {
  EXPECT_EQ(error_message([&] { TaskDataset::load({.path = (scratch_ / "no").string()}); }),
            "data set '" + (scratch_ / "no").string() + "' not found");
  EXPECT_EQ(error_message([&] { TaskDataset::load({.path = scratch_.path().string()}); }),
            "folder '" + scratch_.path().string() + "' holds no .parquet and no .jsonl file");
  write_file_atomic(scratch_ / "rows.csv", "a");
  EXPECT_NE(error_message([&] {
              TaskDataset::load({.path = (scratch_ / "rows.csv").string()});
            }).find("has an unknown extension"),
            std::string::npos);
  const DatasetOptions empty = write("\n");
  EXPECT_EQ(error_message([&] { TaskDataset::load(empty); }),
            "data set '" + path_.string() + "' has no rows");
}

TEST_F(Dataset, ReadsAFolderInTheOrderOfPaths) {
  write_file_atomic(scratch_ / "b.jsonl", line("2", "a", "train"));
  write_file_atomic(scratch_ / "a.jsonl", line("1", "a", "train"));
  write_file_atomic(scratch_.path() / "c" / "d.jsonl", line("3", "a", "test"));
  write_file_atomic(scratch_ / ".hidden.jsonl", "broken");
  EXPECT_EQ(sources(read_examples(scratch_.path())), (Strings{"1", "2", "3"}));
  write_file_atomic(scratch_ / "a.parquet", "");
  EXPECT_NE(error_message([&] { read_examples(scratch_.path()); }).find("may be the same rows"),
            std::string::npos);
}

// The sub-sampling cases of mttl's own tests: 160 rows in 2 tasks.
TEST_F(Dataset, SubsamplesByCountFractionAndTask) {
  std::string content;
  for (int i = 0; i < 160; ++i) content += line(std::to_string(i), i % 2 == 0 ? "even" : "odd", "train");
  const TaskDataset whole = TaskDataset::load(write(content));
  const auto sampled = [&](double amount, bool per_task) {
    TaskDataset dataset = whole;
    dataset.subsample(Split::kTrain, amount, per_task);
    return dataset.examples(Split::kTrain);
  };
  EXPECT_EQ(sampled(0.5, false).size(), 80u);
  EXPECT_EQ(sampled(5, false).size(), 5u);
  EXPECT_EQ(sampled(5, true).size(), 4u);
  EXPECT_EQ(sampled(0.25, true).size(), 40u);
  EXPECT_EQ(sampled(-1, true).size(), 160u);
  EXPECT_EQ(sampled(1000, false).size(), 160u);
  EXPECT_EQ(sampled(0.001, false).size(), 1u);

  const std::vector<Example> per_task = sampled(20, true);
  EXPECT_EQ(std::ranges::count(per_task, "even", &Example::task_name), 10);
  const auto number = [](const Example& row) { return std::stoi(row.source); };
  EXPECT_TRUE(std::ranges::is_sorted(per_task, {}, number));
  EXPECT_EQ(sources(sampled(7, false)), sources(sampled(7, false)));
  EXPECT_NE(sources(sampled(7, false)), (Strings{"0", "1", "2", "3", "4", "5", "6"}));

  EXPECT_NE(error_message([&] { sampled(0, false); }).find("must be above 0"), std::string::npos);
  EXPECT_NE(error_message([&] { sampled(-2, false); }).find("must be above 0"), std::string::npos);
}

TEST_F(Dataset, TakesTheFirstRowsOfEachTask) {
  std::string content;
  for (const char* task : {"a", "b", "a", "a", "c", "b"})
    content += line(task + std::to_string(content.size()), task, "train");
  content += line("test row", "a", "test");
  TaskDataset dataset = TaskDataset::load(write(content));
  const Strings all = sources(dataset.examples(Split::kTrain));
  dataset.take_first(Split::kTrain, 1);
  EXPECT_EQ(sources(dataset.examples(Split::kTrain)), (Strings{all[0], all[1], all[4]}));
  EXPECT_EQ(dataset.examples(Split::kTest).size(), 1u);
  dataset.take_first(Split::kTest, 0);
  EXPECT_TRUE(dataset.examples(Split::kTest).empty());
}

}  // namespace
}  // namespace quiver
