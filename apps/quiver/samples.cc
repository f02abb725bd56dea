#include "samples.h"

#include <algorithm>

#include "token_marks.h"

namespace quiver::program {
namespace {

constexpr std::size_t kSamples = 12;
constexpr std::size_t kMaxBytes = 4000;  // of a text

// Places of prompts: of more tasks than samples the first of every so many tasks, else the first of each,
// then the second of each, and so on. `task_of` gives the task of one of `count` prompts.
std::vector<std::size_t> sample_places(std::size_t count,
                                       const std::function<const std::string&(std::size_t)>& task_of) {
  std::vector<std::vector<std::size_t>> tasks;  // places by task, in the order of their first prompt
  std::map<std::string, std::size_t> order;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t task = order.emplace(task_of(i), tasks.size()).first->second;
    if (task == tasks.size()) tasks.emplace_back();
    tasks[task].push_back(i);
  }
  std::vector<std::size_t> places;
  const std::size_t wanted = std::min(kSamples, count);
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

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// Long texts are cut between characters.
std::string beginning_of(const std::string& text) {
  std::size_t end = std::min(kMaxBytes, text.size());
  while (end < text.size() && end > 0 && continues_character(text[end])) --end;
  return text.substr(0, end);
}

std::string end_of(const std::string& text) {
  std::size_t begin = text.size() - std::min(kMaxBytes, text.size());
  while (begin > 0 && begin < text.size() && continues_character(text[begin])) ++begin;
  return text.substr(begin);
}

// Of a long prompt the end is kept: behind solved examples stands what is asked.
Sample sample_of(const std::string& task, const std::string& prompt, const std::string& target) {
  return {.task = task, .prompt = end_of(prompt), .target = beginning_of(target)};
}

void add_answer(Sample& sample, const std::string& text, double score) {
  sample.answers.push_back({.row = sample.answers.size(), .text = beginning_of(text), .score = score});
}

std::vector<std::pair<std::string, std::string>> marks_of(const RoutedModel& model, const std::string& prompt,
                                                          std::span<const std::int32_t> experts,
                                                          Truncation truncation) {
  const std::vector<std::int32_t> all = model.prompt_ids(prompt);
  std::span<const std::int32_t> run = all;
  if (experts.size() > run.size()) return {};
  run = truncation == Truncation::kRight ? run.first(experts.size()) : run.last(experts.size());
  return token_marks(model.base().tokenizer(), run, experts, model.expert_names());
}

}  // namespace

std::vector<Sample> text_samples(const std::vector<Example>& examples, std::span<const RoutedModel> models,
                                 std::span<const Evaluation> evaluations, Truncation truncation) {
  std::vector<Sample> samples;
  const auto task_of = [&](std::size_t i) -> const std::string& { return examples[i].task_name; };
  for (const std::size_t i : sample_places(examples.size(), task_of)) {
    Sample& sample =
        samples.emplace_back(sample_of(examples[i].task_name, examples[i].source, examples[i].target));
    for (std::size_t m = 0; m < models.size(); ++m) {
      add_answer(sample, evaluations[m].texts[i], evaluations[m].scores[i]);
      if (evaluations[m].token_experts.empty()) continue;
      sample.answers.back().tokens =
          marks_of(models[m], examples[i].source, evaluations[m].token_experts[i], truncation);
    }
  }
  return samples;
}

std::vector<Sample> choice_samples(const std::vector<ChoiceQuestion>& questions,
                                   const std::vector<const Evaluation*>& evaluations) {
  std::vector<Sample> samples;
  const auto task_of = [&](std::size_t i) -> const std::string& { return questions[i].task; };
  for (const std::size_t i : sample_places(questions.size(), task_of)) {
    const ChoiceQuestion& question = questions[i];
    Sample& sample = samples.emplace_back(
        sample_of(question.task, question.prompts[question.answer], question.choices[question.answer]));
    for (const Evaluation* evaluation : evaluations)
      add_answer(sample, question.choices[evaluation->chosen[i]], evaluation->scores[i]);
  }
  return samples;
}

std::vector<Sample> answer_samples(const std::vector<TextQuestion>& questions,
                                   std::span<const AnswerEvaluation> evaluations) {
  std::vector<Sample> samples;
  const auto task_of = [&](std::size_t i) -> const std::string& { return questions[i].task; };
  for (const std::size_t i : sample_places(questions.size(), task_of)) {
    Sample& sample =
        samples.emplace_back(sample_of(questions[i].task, questions[i].prompt, questions[i].answer));
    for (const AnswerEvaluation& evaluation : evaluations)
      add_answer(sample, evaluation.texts[i], evaluation.exact_match.scores[i]);
  }
  return samples;
}

std::vector<Sample> pick_samples(const std::vector<Sample>& samples) {
  std::vector<Sample> picked;
  const auto task_of = [&](std::size_t i) -> const std::string& { return samples[i].task; };
  for (const std::size_t i : sample_places(samples.size(), task_of)) picked.push_back(samples[i]);
  return picked;
}

}  // namespace quiver::program
