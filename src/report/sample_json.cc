#include "report/sample_json.h"

#include "report/row_json.h"

namespace quiver {
namespace {

const JsonChecker::Keys kKeys = {{"task", "prompt", "target", "answers"}};
const JsonChecker::Keys kAnswerKeys = {{"row", "text", "score"}, {"tokens"}};

void check_answer(const SampleAnswer& answer, const std::vector<ResultRow>& rows,
                  const JsonChecker& checker) {
  checker.require(answer.row < rows.size(), "an answer belongs to row " + std::to_string(answer.row) +
                                                " of " + std::to_string(rows.size()));
  checker.in_range(answer.score, "score", 0, metric_top(rows[answer.row].metric));
}

SampleAnswer answer_from_json(const Json& object, const JsonChecker& checker) {
  checker.keys(object, kAnswerKeys);
  SampleAnswer answer;
  answer.row = static_cast<std::size_t>(checker.count(object, "row"));
  answer.text = checker.text(object, "text");
  answer.score = checker.number(object.at("score"), "score");
  if (!object.contains("tokens")) return answer;
  for (const Json& token : checker.array(object, "tokens")) {
    const bool pair = token.is_array() && token.size() == 2 && token[0].is_string() && token[1].is_string();
    checker.require(pair, "a token must be [text, expert] but is " + JsonChecker::shown(token));
    answer.tokens.emplace_back(token[0].get<std::string>(), token[1].get<std::string>());
  }
  return answer;
}

}  // namespace

Sample sample_from_json(const Json& object, const std::vector<ResultRow>& rows, const JsonChecker& checker) {
  checker.keys(object, kKeys);
  Sample sample;
  sample.task = checker.text(object, "task");
  sample.prompt = checker.text(object, "prompt");
  sample.target = checker.text(object, "target");
  for (const Json& answer : checker.array(object, "answers")) {
    sample.answers.push_back(answer_from_json(answer, checker));
    check_answer(sample.answers.back(), rows, checker);
  }
  return sample;
}

Json sample_to_json(const Sample& sample, const std::vector<ResultRow>& rows, const JsonChecker& checker) {
  Json answers = Json::array();
  for (const SampleAnswer& answer : sample.answers) {
    check_answer(answer, rows, checker);
    Json json = {{"row", answer.row}, {"text", answer.text}, {"score", answer.score}};
    for (const auto& [text, expert] : answer.tokens) json["tokens"].push_back(Json::array({text, expert}));
    answers.push_back(std::move(json));
  }
  return {{"task", sample.task},
          {"prompt", sample.prompt},
          {"target", sample.target},
          {"answers", std::move(answers)}};
}

}  // namespace quiver
