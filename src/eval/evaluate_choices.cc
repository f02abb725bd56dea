#include <chrono>

#include "data/multiple_choice.h"
#include "quiver/error.h"
#include "quiver/evaluation.h"

namespace quiver {
namespace {

// Unicode characters of valid UTF-8, as Python's len() counts them.
std::int64_t character_count(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

// The first of the largest values.
std::size_t best(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

}  // namespace

std::vector<std::vector<Evaluation>> evaluate_choices(std::span<const RoutedModel> models,
                                                      const std::filesystem::path& path, std::int64_t limit,
                                                      const std::string& task,
                                                      const EvaluationObserver& observer) {
  std::vector<MultipleChoiceQuestion> questions = read_arc(path);
  if (limit > 0 && limit < static_cast<std::int64_t>(questions.size()))
    questions.resize(static_cast<std::size_t>(limit));
  const auto count = static_cast<double>(questions.size());
  std::vector<std::vector<Evaluation>> results;
  for (const RoutedModel& model : models) {
    std::vector<ScoreRequest> requests;
    for (const MultipleChoiceQuestion& question : questions) {
      for (const std::string& choice : question.choices) {
        requests.push_back(
            {&model, "Question: " + question.question + "\nAnswer:", " " + choice, task, true});
      }
    }
    const auto start = std::chrono::steady_clock::now();
    std::size_t reported = 0;
    const std::vector<Score> scores = score(requests, {}, [&](std::size_t done) {
      if (observer) observer(static_cast<std::int64_t>(done - reported));
      reported = done;
    });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

    std::vector<Evaluation> metrics(3);
    std::int64_t tokens = 0;
    std::size_t next = 0;
    for (const MultipleChoiceQuestion& question : questions) {
      std::vector<double> sum, per_character, per_token;
      for (const std::string& choice : question.choices) {
        const Score& score = scores[next++];
        sum.push_back(score.logprob);
        per_character.push_back(score.logprob /
                                static_cast<double>(std::max<std::int64_t>(1, character_count(choice))));
        per_token.push_back((score.logprob + score.end_logprob) / static_cast<double>(score.tokens + 1));
        tokens += score.tokens + 1;
      }
      const std::vector<double>* values[] = {&sum, &per_character, &per_token};
      for (std::size_t i = 0; i < metrics.size(); ++i) {
        metrics[i].chosen.push_back(best(*values[i]));
        metrics[i].value += metrics[i].chosen.back() == question.answer ? 1 : 0;
      }
    }
    const char* names[] = {"acc", "acc_norm", "mttl"};
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      metrics[i].metric = names[i];
      metrics[i].value /= count;
      metrics[i].n = static_cast<std::int64_t>(questions.size());
      metrics[i].per_task[task] = metrics[i].value;
      metrics[i].seconds = seconds;
      metrics[i].tokens = tokens;
    }
    results.push_back(std::move(metrics));
  }
  return results;
}

}  // namespace quiver
