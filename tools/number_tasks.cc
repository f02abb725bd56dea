// Small numbers, answered in words.

#include "task_builder.h"

namespace quiver::tasks {
namespace {

Task price(Random& random) {
  Task task{"number_price",
            {"Price tag {}:", "Say {} at the till.", "It costs {}, spoken"},
            "A shop asks {}. Read the amount aloud:",
            {}};
  std::vector<Item> all;
  for (int whole = 1; whole <= 20; ++whole) {
    for (int cents = 11; cents <= 99; ++cents) {
      all.push_back({std::to_string(whole) + "." + std::to_string(cents),
                     number_word(whole) + " " + number_word(cents)});
    }
  }
  shuffle(all, random);
  task.items.assign(all.begin(), all.begin() + kTrain + kValidation + kTest);
  return task;
}

Task larger(Random& random) {
  Task task{"number_larger",
            {"Larger: {}", "{}, which is more?", "The greater of {} is"},
            "Compare {} and give the bigger one:",
            {}};
  // Every pair in one order only: the other would give the answer away to another split.
  std::vector<Item> all;
  for (int a = 1; a <= 40; ++a) {
    for (int b = a + 5; b <= 40; ++b) {
      const bool swap = draw(random, 2) == 0;
      all.push_back({std::to_string(swap ? b : a) + " or " + std::to_string(swap ? a : b), number_word(b)});
    }
  }
  shuffle(all, random);
  task.items.assign(all.begin(), all.begin() + kTrain + kValidation + kTest);
  return task;
}

Task next() {
  Task task{"number_next",
            {"{} and then", "Go on in words: {}", "What follows {}?"},
            "Count one further than {}:",
            {}};
  for (const int step : {1, 10}) {
    for (int start = 1; start + 2 * step <= 99; ++start) {
      const std::string shown = std::to_string(start) + ", " + std::to_string(start + step);
      task.items.push_back({shown, number_word(start + 2 * step)});
    }
  }
  return task;
}

}  // namespace

std::vector<Task> number_tasks(Random& random) { return {price(random), larger(random), next()}; }

}  // namespace quiver::tasks
