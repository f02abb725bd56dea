#include "text_samples.h"

#include <algorithm>

namespace quiver::program {
namespace {

constexpr std::size_t kSamples = 12;
constexpr std::size_t kMaxBytes = 4000;  // of a text

// Places of examples: of more tasks than samples the first of every so many tasks, else the first of each,
// then the second of each, and so on.
std::vector<std::size_t> sample_places(const std::vector<Example>& examples) {
  std::vector<std::vector<std::size_t>> tasks;  // places by task, in the order of their first example
  std::map<std::string, std::size_t> order;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const std::size_t task = order.emplace(examples[i].task_name, tasks.size()).first->second;
    if (task == tasks.size()) tasks.emplace_back();
    tasks[task].push_back(i);
  }
  std::vector<std::size_t> places;
  const std::size_t wanted = std::min(kSamples, examples.size());
  for (std::size_t round = 0; places.size() < wanted; ++round) {
    const std::size_t shown = std::min(tasks.size(), wanted);
    for (std::size_t k = 0; k < shown && places.size() < wanted; ++k) {
      const std::vector<std::size_t>& task = tasks[k * tasks.size() / shown];
      if (round < task.size()) places.push_back(task[round]);
    }
  }
  std::sort(places.begin(), places.end());
  return places;
}

}  // namespace

std::vector<Sample> text_samples(const std::vector<Example>& examples,
                                 std::span<const Evaluation> evaluations) {
  std::vector<Sample> samples;
  for (const std::size_t place : sample_places(examples)) {
    const Example& example = examples[place];
    Sample& sample = samples.emplace_back();
    sample.task = example.task_name;
    sample.prompt = example.source.substr(0, kMaxBytes);
    sample.target = example.target.substr(0, kMaxBytes);
    for (std::size_t row = 0; row < evaluations.size(); ++row) {
      const Evaluation& evaluation = evaluations[row];
      sample.answers.push_back({.row = row,
                                .text = evaluation.texts[place].substr(0, kMaxBytes),
                                .score = evaluation.scores[place]});
    }
  }
  return samples;
}

}  // namespace quiver::program
