#include "data/multiple_choice.h"

#include "data/json_lines.h"

namespace quiver {
namespace {

// "A" and "1" are the first choice; anything else is no label. ARC's largest question has five choices.
std::size_t label_position(const std::string& label, const std::string& where) {
  if (label.size() == 1 && label[0] >= 'A' && label[0] <= 'Z')
    return static_cast<std::size_t>(label[0] - 'A');
  if (label.size() == 1 && label[0] >= '1' && label[0] <= '9')
    return static_cast<std::size_t>(label[0] - '1');
  throw Error(ErrorKind::kCorruptFile,
              where + ": label '" + label.substr(0, 100) + "' must be a letter A.. or a digit 1..");
}

std::string required_text(const Json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (!object.is_object() || found == object.end() || !found->is_string()) {
    throw Error(ErrorKind::kCorruptFile, where + ": '" + key + "' is missing or no text");
  }
  return found->get<std::string>();
}

MultipleChoiceQuestion parse_arc_row(const Json& row, const std::string& where) {
  const Json question = row.value("question", Json());
  MultipleChoiceQuestion result;
  result.id = required_text(row, "id", where);
  result.question = required_text(question, "stem", where);
  const Json choices = question.value("choices", Json());
  if (!choices.is_array() || choices.size() < 2) {
    throw Error(ErrorKind::kCorruptFile, where + ": 'choices' must be a list of two or more");
  }
  for (const Json& choice : choices) {
    if (label_position(required_text(choice, "label", where), where) != result.choices.size()) {
      throw Error(ErrorKind::kCorruptFile, where + ": the labels of 'choices' are not in order");
    }
    result.choices.push_back(required_text(choice, "text", where));
  }
  const std::string key = required_text(row, "answerKey", where);
  result.answer = label_position(key, where);
  if (result.answer >= result.choices.size()) {
    throw Error(ErrorKind::kCorruptFile, where + ": answerKey '" + key + "' names none of the " +
                                             std::to_string(result.choices.size()) + " choices");
  }
  return result;
}

}  // namespace

std::vector<MultipleChoiceQuestion> read_arc(const std::filesystem::path& path) {
  std::vector<MultipleChoiceQuestion> questions;
  for_each_json_line(path, [&](const Json& row, const std::string& where) {
    questions.push_back(parse_arc_row(row, where));
  });
  if (questions.empty()) throw Error(ErrorKind::kCorruptFile, "'" + path.string() + "' holds no question");
  return questions;
}

}  // namespace quiver
