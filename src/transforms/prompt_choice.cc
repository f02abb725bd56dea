#include "transforms/prompt_choice.h"

#include <algorithm>
#include <random>

#include "core/sha256.h"
#include "quiver/error.h"

namespace quiver {
namespace {

constexpr std::size_t kLeastRows = 2;  // what a task can be told from others by

// How many rows each task gives.
std::vector<std::size_t> even_shares(const std::vector<std::size_t>& available, std::size_t count) {
  std::vector<std::size_t> shares(available.size(), 0);
  for (bool some_left = true; count > 0 && some_left;) {
    some_left = false;
    for (std::size_t task = 0; task < shares.size() && count > 0; ++task) {
      if (shares[task] == available[task]) continue;
      ++shares[task];
      --count;
      some_left = true;
    }
  }
  return shares;
}

// `count` of the rows, in their order: a shuffle (Fisher-Yates) that depends on nothing but its arguments.
std::vector<const Example*> draw(const std::vector<const Example*>& rows, std::size_t count,
                                 std::uint64_t seed, const std::string& task) {
  Sha256 hash;
  hash.update(std::to_string(seed) + "/" + task);
  std::mt19937_64 random(std::stoull(hash.finish().substr(0, 16), nullptr, 16));
  std::vector<std::size_t> places(rows.size());
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = i;
  for (std::size_t i = 0; i < count; ++i) std::swap(places[i], places[i + random() % (places.size() - i)]);
  places.resize(count);
  std::ranges::sort(places);
  std::vector<const Example*> drawn;
  for (const std::size_t place : places) drawn.push_back(rows[place]);
  return drawn;
}

}  // namespace

TrainingRows training_rows(const TaskDataset& data) {
  TrainingRows rows;
  for (const Example& example : data.examples(Split::kTrain)) rows[example.task_name].push_back(&example);
  return rows;
}

PromptChoice choose_prompts(const TrainingRows& rows, const std::vector<std::string>& tasks,
                            std::int64_t count, std::uint64_t seed, const std::string& expert) {
  std::vector<const std::vector<const Example*>*> found;
  std::vector<std::size_t> available;
  for (const std::string& task : tasks) {
    const auto place = rows.find(task);
    const std::size_t number = place == rows.end() ? 0 : place->second.size();
    if (number < kLeastRows) {
      throw Error(ErrorKind::kInvalidArgument,
                  "task '" + task + "' of expert '" + expert + "' has " + std::to_string(number) +
                      (number == 1 ? " training row" : " training rows") +
                      ", its statistics need at least two",
                  "check the data set and its filters");
    }
    found.push_back(&place->second);
    available.push_back(number);
  }
  const auto shares =
      even_shares(available, std::max(static_cast<std::size_t>(count), kLeastRows * tasks.size()));
  PromptChoice choice;
  Sha256 digest;
  for (std::size_t task = 0; task < tasks.size(); ++task) {
    digest.update(std::to_string(shares[task]) + ";" + tasks[task] + '\0');
    for (const Example* example : draw(*found[task], shares[task], seed, tasks[task])) {
      choice.rows.push_back(example);
      choice.tasks.push_back(static_cast<std::int64_t>(task));
      digest.update(std::to_string(example->source.size()) + ";" + example->source);
    }
  }
  choice.digest = digest.finish();
  return choice;
}

}  // namespace quiver
