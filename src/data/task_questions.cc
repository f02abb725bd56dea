#include <algorithm>
#include <charconv>

#include "core/files.h"
#include "core/log.h"
#include "data/data_rows.h"
#include "data/task_files.h"
#include "data/task_preprocessor.h"
#include "data/task_template.h"
#include "data/unicode_text.h"
#include "quiver/error.h"
#include "quiver/task.h"

namespace quiver {
namespace {

constexpr std::uint64_t kMaxDescriptionBytes = 1 << 20;

// Thrown by a visitor to leave a file early.
struct EnoughRows {};

// What the task and its preprocessor read of a row.
RowFields fields_of(const TaskDefinition& task, const NamedPreprocessor& preprocessor) {
  RowFields fields{{preprocessor.fields.begin(), preprocessor.fields.end()}, {"id"}};
  std::vector<std::string> templates = task.choices;
  templates.insert(templates.end(), {task.prompt, task.continuation, task.target});
  for (const std::string& pattern : templates) {
    const std::vector<std::string> paths = template_paths(pattern, "task '" + task.name + "'");
    fields.paths.insert(paths.begin(), paths.end());
  }
  fields.paths.insert({task.choice_list, task.gold, task.label_list, task.prompts});
  return fields;
}

// The first `limit` rows of the files (all for 0), preprocessed.
void visit_rows(const TaskDefinition& task, const std::vector<std::filesystem::path>& files,
                std::int64_t limit, const std::function<void(const Json&, const std::string&)>& visit) {
  const NamedPreprocessor& preprocessor = find_preprocessor(task.preprocess, "task '" + task.name + "'");
  const RowFields fields = fields_of(task, preprocessor);
  std::int64_t count = 0;
  try {
    for (const std::filesystem::path& file : files) {
      for_each_data_row(file, fields, [&](const Json& stored, const std::string& where) {
        if (limit > 0 && count == limit) throw EnoughRows();
        Json row = stored;
        preprocessor.function(row, where);
        visit(row, where);
        ++count;
      });
    }
  } catch (const EnoughRows&) {
  }
}

// Turns rows of one subtask into questions.
class QuestionMaker {
 public:
  QuestionMaker(const TaskDefinition& task, const TaskFiles& files)
      : task_(task), name_(task.name + (files.subtask.empty() ? "" : "_" + files.subtask)) {
    std::string words = files.subtask;
    std::replace(words.begin(), words.end(), '_', ' ');
    before_ = fill_template(task.description, {{"subtask", words}}, "task '" + task.name + "'");
    if (!task.description_file.empty()) before_ = description_of(files);
  }

  void add_shot(const Json& row, const std::string& where) {
    const std::string answer = task_.writes_text() ? fill_template(task_.target, row, where)
                                                   : answer_of(choices_of(row, where), row, where);
    before_ += fill_template(task_.prompt, row, where);
    if (!answer.empty()) before_ += task_.delimiter + answer + "\n\n";
  }

  void add_question(const Json& row, const std::string& where, TaskQuestions& questions) const {
    if (task_.writes_text()) {
      questions.texts.push_back({id_of(row, questions.texts.size(), where), name_,
                                 before_ + fill_template(task_.prompt, row, where),
                                 fill_template(task_.target, row, where)});
      return;
    }
    ChoiceQuestion question;
    question.id = id_of(row, questions.choices.size(), where);
    question.task = name_;
    question.where = where;
    question.choices = choices_of(row, where);
    question.answer = answer_index(question.choices.size(), row, where);
    if (task_.prompts.empty()) {
      question.prompts.assign(question.choices.size(), before_ + fill_template(task_.prompt, row, where));
      for (const std::string& choice : question.choices)
        question.continuations.push_back(task_.delimiter + choice);
    } else {
      for (const std::string& prompt : texts_at(row, task_.prompts, where))
        question.prompts.push_back(before_ + prompt);
      if (question.prompts.size() != question.choices.size()) {
        throw Error(ErrorKind::kCorruptFile, where + ": " + std::to_string(question.prompts.size()) +
                                                 " prompts for " + std::to_string(question.choices.size()) +
                                                 " choices");
      }
      question.continuations.assign(question.choices.size(),
                                    task_.delimiter + fill_template(task_.continuation, row, where));
    }
    questions.choices.push_back(std::move(question));
  }

 private:
  std::string description_of(const TaskFiles& files) const {
    const std::filesystem::path path = files.folder / task_.description_file;
    if (std::filesystem::exists(path)) return read_file(path, kMaxDescriptionBytes);
    log_warning("task '" + name_ + "' runs without a description: '" + path.string() + "' is not there");
    return "";
  }

  std::string id_of(const Json& row, std::size_t position, const std::string& where) const {
    const auto found = row.find("id");
    // A list or an object beside it is no name, and nobody asked for it.
    return found == row.end() || !found->is_primitive() || found->is_null() ? std::to_string(position)
                                                                            : text_of(*found, "id", where);
  }

  std::vector<std::string> choices_of(const Json& row, const std::string& where) const {
    std::vector<std::string> choices;
    if (task_.choices.empty()) {
      choices = texts_at(row, task_.choice_list, where);
    } else {
      for (const std::string& choice : task_.choices) choices.push_back(fill_template(choice, row, where));
    }
    if (choices.size() < 2) {
      throw Error(ErrorKind::kCorruptFile,
                  where + ": a question needs two choices, has " + std::to_string(choices.size()));
    }
    return choices;
  }

  std::string answer_of(const std::vector<std::string>& choices, const Json& row,
                        const std::string& where) const {
    return choices[answer_index(choices.size(), row, where)];
  }

  // The gold field names a label, or is the index itself.
  std::size_t answer_index(std::size_t choices, const Json& row, const std::string& where) const {
    const std::string stored = text_of(field_at(row, task_.gold, where), task_.gold, where);
    const std::string gold(strip(stored));
    std::size_t index = choices;
    if (task_.labels.empty() && task_.label_list.empty()) {
      const auto [end, error] = std::from_chars(gold.data(), gold.data() + gold.size(), index);
      if (error != std::errc() || end != gold.data() + gold.size()) index = choices;
    } else {
      const std::vector<std::string> labels =
          task_.label_list.empty() ? task_.labels : texts_at(row, task_.label_list, where);
      index = static_cast<std::size_t>(std::find(labels.begin(), labels.end(), gold) - labels.begin());
    }
    if (index >= choices) {
      throw Error(ErrorKind::kCorruptFile, where + ": '" + task_.gold + "' '" + stored.substr(0, 100) +
                                               "' names none of the " + std::to_string(choices) + " choices");
    }
    return index;
  }

  const TaskDefinition& task_;
  std::string name_;
  std::string before_;  // description and shots
};

void add_shots(const TaskDefinition& task, const TaskFiles& files, std::int64_t shots, QuestionMaker& maker) {
  std::int64_t found = 0;
  visit_rows(task, files.shots, shots, [&](const Json& row, const std::string& where) {
    maker.add_shot(row, where);
    ++found;
  });
  if (found < shots) {
    throw Error(ErrorKind::kNotFound,
                "task '" + task.name + "' needs " + std::to_string(shots) + " shots, split '" +
                    task.shots_split + "' in '" + files.folder.string() + "' has " + std::to_string(found),
                "--shots 0 runs without");
  }
}

}  // namespace

TaskQuestions read_task_questions(const TaskDefinition& task, const std::filesystem::path& data,
                                  const TaskReadOptions& options) {
  const std::int64_t shots = options.shots.value_or(task.shots);
  if (shots > 0 && task.shots_split.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "task '" + task.name + "' has no split to take shots from",
                "'shots_split' in its definition");
  }
  TaskQuestions questions;
  for (const TaskFiles& files : find_task_files(task, data, options.only_task)) {
    QuestionMaker maker(task, files);
    if (shots > 0) add_shots(task, files, shots, maker);
    visit_rows(task, files.rows, options.limit,
               [&](const Json& row, const std::string& where) { maker.add_question(row, where, questions); });
  }
  if (questions.choices.empty() && questions.texts.empty())
    throw Error(ErrorKind::kCorruptFile,
                "task '" + task.name + "': '" + data.string() + "' holds no question");
  return questions;
}

}  // namespace quiver
