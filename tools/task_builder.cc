#include "task_builder.h"

#include <set>
#include <stdexcept>
#include <utility>

namespace quiver::tasks {
namespace {

std::string fill(const std::string& instruction, const std::string& content) {
  const std::size_t at = instruction.find("{}");
  if (at == std::string::npos) throw std::logic_error("template without {}: " + instruction);
  return instruction.substr(0, at) + content + instruction.substr(at + 2);
}

const char* split_of(std::size_t index) {
  if (index < kTrain) return "train";
  return index < kTrain + kValidation ? "validation" : "test";
}

}  // namespace

std::vector<Example> split_task(Task task, Random& random) {
  std::set<std::string> contents;
  for (const Item& item : task.items) {
    if (!contents.insert(item.content).second) {
      throw std::logic_error(task.name + ": twice the same content: " + item.content);
    }
  }
  const std::size_t wanted = kTrain + kValidation + kTest;
  if (task.items.size() < wanted) {
    throw std::logic_error(task.name + ": only " + std::to_string(task.items.size()) + " items");
  }
  shuffle(task.items, random);
  std::vector<Example> examples;
  for (std::size_t i = 0; i < wanted; ++i) {
    const std::string& instruction = task.templates[draw(random, task.templates.size())];
    const Item& item = task.items[i];
    examples.push_back({fill(instruction, item.content), item.target, task.name, split_of(i)});
  }
  return examples;
}

std::vector<Example> reword_task(Task task, Random random) {
  task.templates = {task.rewording};
  std::vector<Example> examples = split_task(std::move(task), random);
  std::erase_if(examples, [](const Example& example) { return example.split != "test"; });
  return examples;
}

void add_words(std::vector<Item>& items, const std::vector<std::string>& words, const std::string& target) {
  for (const std::string& word : words) items.push_back({word, target});
}

std::string number_word(int number) {
  static const std::vector<std::string> small = {"zero",    "one",     "two",       "three",    "four",
                                                 "five",    "six",     "seven",     "eight",    "nine",
                                                 "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                                 "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
  static const std::vector<std::string> tens = {"",      "",      "twenty",  "thirty", "forty",
                                                "fifty", "sixty", "seventy", "eighty", "ninety"};
  if (number < 0 || number > 99) throw std::logic_error("no word for " + std::to_string(number));
  if (number < 20) return small[static_cast<std::size_t>(number)];
  const std::string ten = tens[static_cast<std::size_t>(number / 10)];
  return number % 10 == 0 ? ten : ten + "-" + small[static_cast<std::size_t>(number % 10)];
}

}  // namespace quiver::tasks
