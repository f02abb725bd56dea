// Small numbers, answered in words.

#include <algorithm>
#include <cctype>

#include "task_builder.h"

namespace quiver::tasks {
namespace {

Task add() {
  Task task{"number_add", {"{} makes", "Work out {}.", "Sum in a word: {}"}, {}};
  // One order of the two terms only: the other would give the answer away to another split.
  for (int a = 1; a <= 20; ++a) {
    for (int b = 1; b <= std::min(a, 10); ++b) {
      task.items.push_back({number_word(a) + " plus " + number_word(b), number_word(a + b)});
    }
  }
  return task;
}

Task next() {
  Task task{"number_next", {"{} and then", "Go on in words: {}", "What follows {}?"}, {}};
  for (int start = 1; start <= 40; ++start) {
    for (const int step : {1, 2, 10, -1}) {
      if (start + 3 * step < 0) continue;
      const std::string shown = std::to_string(start) + ", " + std::to_string(start + step) + ", " +
                                std::to_string(start + 2 * step);
      task.items.push_back({shown, number_word(start + 3 * step)});
    }
  }
  return task;
}

Task digits(Random& random) {
  Task task{"number_digits", {"Digit by digit: {}", "Spell {} as on the phone.", "Read out {}:"}, {}};
  std::vector<int> numbers;
  for (int number = 100; number < 1000; ++number) numbers.push_back(number);
  shuffle(numbers, random);
  numbers.resize(kTrain + kValidation + kTest);
  for (const int number : numbers) {
    std::string target;
    for (const char digit : std::to_string(number)) {
      target += (target.empty() ? "" : " ") + number_word(digit - '0');
    }
    task.items.push_back({std::to_string(number), target});
  }
  return task;
}

}  // namespace

std::vector<Task> number_tasks(Random& random) { return {add(), next(), digits(random)}; }

}  // namespace quiver::tasks
