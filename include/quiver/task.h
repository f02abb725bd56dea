#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace quiver {

// A question whose answer is one of several choices, ready to be scored. The vectors have one entry a choice.
struct ChoiceQuestion {
  std::string id;                          // position in its file, or the row's own `id`
  std::string task;                        // names the data for the oracle and in per_task
  std::vector<std::string> prompts;        // most often all the same
  std::vector<std::string> continuations;  // scored after its prompt, with the space between them
  std::vector<std::string> choices;        // whose characters acc_norm counts
  std::size_t answer = 0;                  // index of the right one
  std::string where = {};                  // file and row, for messages
};

// A question whose answer is written by the model.
struct TextQuestion {
  std::string id;
  std::string task;
  std::string prompt;
  std::string answer;
};

// How the answer is taken out of a generated text.
enum class AnswerExtraction {
  kWhole,
  // What follows "the answer is " in its line without the line's last character, stripped; "[invalid]" where
  // there is none. The filter of lm-evaluation-harness for BIG-bench Hard.
  kTheAnswerIs,
};

// A benchmark as a file under tasks/ describes it; docs/formats.md, "Task definition", has the keys.
// Templates hold {field}, {field.field} and {field.index} of a row.
struct TaskDefinition {
  std::string name;
  std::string repository;                 // of the hub, whose layout the data has
  std::string config;                     // sub-folder of the data; "*": one subtask a sub-folder
  std::vector<std::string> skip_configs;  // sub-folders that are no subtask
  std::string split;                      // "test", "validation", ...
  std::string preprocess;                 // a named function for logic that templates do not have
  std::string description;                // template, before everything else; {subtask} is the sub-folder
  std::string description_file;           // in the sub-folder, instead of `description`
  std::string prompt;                     // template; or
  std::string prompts;                    // path to a list, one prompt a choice
  std::string delimiter = " ";            // between a prompt and its answer
  std::int64_t shots = 0;                 // solved questions before the prompt: the first of `shots_split`
  std::string shots_split;                // empty where there are none
  std::string choice_list;                // path to the list of choices; or
  std::vector<std::string> choices;       // a template for each
  std::string continuation;               // template, with `prompts`; else the choice itself
  std::string gold;                       // path to the answer: its index, or one of the labels
  std::string label_list;                 // path to the labels of the choices; or
  std::vector<std::string> labels;        // the labels
  std::string target;                     // template of the text to write, instead of all about choices
  std::vector<std::string> stop;          // texts that end a generation
  std::int64_t max_new_tokens = 256;
  AnswerExtraction extraction = AnswerExtraction::kWhole;
  std::vector<std::string> metrics;  // "acc", "acc_norm", "mttl"; or "exact_match" with `target`
  std::string main_metric;           // the one that a mean over tasks takes

  bool writes_text() const { return !target.empty(); }
};

// Reads a definition. Strict: throws Error(kNotFound, kIo), and Error(kInvalidArgument) for an unknown,
// missing or contradictory key.
TaskDefinition read_task_definition(const std::filesystem::path& path);

// The questions of one task, of either kind, in the order of subtasks and rows.
struct TaskQuestions {
  std::vector<ChoiceQuestion> choices;
  std::vector<TextQuestion> texts;
};

struct TaskReadOptions {
  std::int64_t limit = 0;                  // above 0: the first rows of each subtask only
  std::optional<std::int64_t> shots = {};  // instead of the definition's
  bool only_task = false;                  // `data` may be the task's own folder
};

// Reads a task's rows from `data`: a Parquet or JSON lines file, or a folder in the hub's layout
// (docs/formats.md, "Benchmark data"). Throws Error(kNotFound) with the expected layout, Error(kCorruptFile)
// with file and row for one that does not fit, Error(kUnsupported, kIo).
TaskQuestions read_task_questions(const TaskDefinition& task, const std::filesystem::path& data,
                                  const TaskReadOptions& options = {});

}  // namespace quiver
