// Writes the project's own small task set: FOLDER/tasks.jsonl, its test items in other words as
// FOLDER/tasks_reworded.jsonl, and FOLDER/facts_choice.jsonl. The same bytes
// on every machine. Usage: make_tasks FOLDER

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "task_builder.h"

namespace fs = std::filesystem;

namespace quiver::tasks {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::uint64_t kSeed = 20240501;

class LineWriter {
 public:
  explicit LineWriter(const fs::path& path) : path_(path), out_(path, std::ios::binary) {}

  void write(const Json& value) { out_ << value.dump() << '\n'; }

  void close() {
    out_.close();
    if (!out_) throw std::runtime_error("cannot write " + path_.string());
  }

 private:
  fs::path path_;
  std::ofstream out_;
};

Json row_of(const Example& example) {
  return {{"source", example.source},
          {"target", example.target},
          {"task_name", example.task_name},
          {"split", example.split},
          {"task_source", "quiver"}};
}

// `reworded` gets the test items in wordings that no row of `path` has.
void write_tasks(const fs::path& path, const fs::path& reworded) {
  Random random(kSeed);
  std::vector<Task> tasks;
  for (auto& group : {text_tasks(random), number_tasks(random), label_tasks(random), fact_tasks()}) {
    tasks.insert(tasks.end(), group.begin(), group.end());
  }
  LineWriter out(path), other(reworded);
  for (const Task& task : tasks) {
    for (const Example& example : reword_task(task, random)) other.write(row_of(example));
    for (const Example& example : split_task(task, random)) out.write(row_of(example));
  }
  out.close();
  other.close();
}

// ARC's original form. The right answers are spread evenly over the four letters.
void write_choices(const fs::path& path) {
  Random random(kSeed);
  std::vector<ChoiceQuestion> questions = choice_questions();
  shuffle(questions, random);
  LineWriter out(path);
  for (std::size_t i = 0; i < questions.size(); ++i) {
    std::vector<std::string> choices = questions[i].choices;
    const std::string right = choices.front();
    choices.erase(choices.begin());
    shuffle(choices, random);
    const std::size_t answer = i % 4;
    choices.insert(choices.begin() + static_cast<std::ptrdiff_t>(answer), right);
    Json listed = Json::array();
    for (std::size_t c = 0; c < choices.size(); ++c) {
      listed.push_back({{"text", choices[c]}, {"label", std::string(1, static_cast<char>('A' + c))}});
    }
    out.write({{"id", "quiver_facts_" + std::to_string(i + 1)},
               {"question", {{"stem", questions[i].stem}, {"choices", listed}}},
               {"answerKey", std::string(1, static_cast<char>('A' + answer))}});
  }
  out.close();
}

}  // namespace
}  // namespace quiver::tasks

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_tasks FOLDER\n");
    return 2;
  }
  try {
    const fs::path folder = argv[1];
    fs::create_directories(folder);
    quiver::tasks::write_tasks(folder / "tasks.jsonl", folder / "tasks_reworded.jsonl");
    quiver::tasks::write_choices(folder / "facts_choice.jsonl");
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make_tasks: error: %s\n", e.what());
    return 1;
  }
}
