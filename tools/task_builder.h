#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace quiver::tasks {

// std::mt19937_64 gives the same numbers everywhere; the standard's distributions and shuffle do not.
using Random = std::mt19937_64;

// A number in [0, bound). The bias of the remainder is below 1e-15 for the bounds used here.
inline std::size_t draw(Random& random, std::size_t bound) { return random() % bound; }

template <typename T>
void shuffle(std::vector<T>& values, Random& random) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[draw(random, i)]);
}

// What an example asks about and its answer. `content` is the example without its instruction: no two items
// of a task share it, so no question of one split is asked in other words in another.
struct Item {
  std::string content;
  std::string target;
};

// A task before it is split. Each template holds "{}" where the content goes.
struct Task {
  std::string name;  // "SKILL_VARIANT"
  std::vector<std::string> templates;
  std::string rewording;    // another template, which no example that is trained on has
  std::vector<Item> items;  // at least kTrain + kValidation + kTest
};

struct Example {
  std::string source;
  std::string target;
  std::string task_name;
  std::string split;  // "train", "validation" or "test"
};

inline constexpr std::size_t kTrain = 100;
inline constexpr std::size_t kValidation = 20;
inline constexpr std::size_t kTest = 30;

// Draws kTrain + kValidation + kTest items and a template for each. Throws std::logic_error when the task has
// too few items, or two with one content.
std::vector<Example> split_task(Task task, Random& random);

// The test items of split_task() with the same state of `random`, all in the task's other wording.
std::vector<Example> reword_task(Task task, Random random);

// An item for every word of `words`, all with one target.
void add_words(std::vector<Item>& items, const std::vector<std::string>& words, const std::string& target);

// A number from 0 to 99 in English: "forty-two".
std::string number_word(int number);

// Each skill's tasks. They draw from `random`, so the order of the calls is part of the result.
std::vector<Task> text_tasks(Random& random);
std::vector<Task> number_tasks(Random& random);
std::vector<Task> label_tasks(Random& random);
std::vector<Task> fact_tasks();

// A question with four choices; the first is right.
struct ChoiceQuestion {
  std::string stem;
  std::vector<std::string> choices;
};
std::vector<ChoiceQuestion> choice_questions();

}  // namespace quiver::tasks
