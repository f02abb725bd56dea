#include "data/task_preprocessor.h"

#include "core/strings.h"
#include "data/task_template.h"
#include "data/unicode_text.h"

namespace quiver {
namespace {

void keep(Json&, const std::string&) {}

std::string text_at(const Json& row, const char* field, const std::string& where) {
  return text_of(field_at(row, field, where), field, where);
}

// AI2's own lines have {"question": {"stem", "choices": [{"text", "label"}, ...]}}; the hub's rows have
// {"question", "choices": {"text": [...], "label": [...]}}. Gives the latter.
void flatten_arc(Json& row, const std::string& where) {
  const Json question = field_at(row, "question", where);
  if (!question.is_object()) return;
  const Json& choices = field_at(question, "choices", where);
  if (!choices.is_array()) throw Error(ErrorKind::kCorruptFile, where + ": 'choices' must be a list");
  Json texts = Json::array(), labels = Json::array();
  for (const Json& choice : choices) {
    texts.push_back(text_at(choice, "text", where));
    labels.push_back(text_at(choice, "label", where));
  }
  row["question"] = text_at(question, "stem", where);
  row["choices"] = {{"text", std::move(texts)}, {"label", std::move(labels)}};
}

// The remains of WikiHow's markup: " [title]" becomes ". ", every "[...]" within a line goes, then each pair
// of spaces becomes one, once.
std::string clean_wikihow(std::string_view text) {
  const std::string titled = replace_all(strip(text), " [title]", ". ");
  std::string plain;
  std::size_t stop = 0;
  for (std::size_t at = 0; at < titled.size();) {
    if (stop < at || at == 0) stop = titled.find_first_of("]\n", at);
    if (titled[at] == '[' && stop != std::string::npos && titled[stop] == ']') {
      at = stop + 1;
    } else {
      plain += titled[at++];
    }
  }
  return replace_all(plain, "  ", " ");
}

void clean_hellaswag(Json& row, const std::string& where) {
  row["query"] = clean_wikihow(text_at(row, "activity_label", where) + ": " + text_at(row, "ctx_a", where) +
                               " " + capitalize(text_at(row, "ctx_b", where)));
  Json endings = Json::array();
  for (const std::string& ending : texts_at(row, "endings", where)) endings.push_back(clean_wikihow(ending));
  row["endings"] = std::move(endings);
}

// Partial evaluation (Trinh & Le 2018): the sentence up to the gap with each option in it, and what follows.
void split_at_gap(Json& row, const std::string& where) {
  const std::string sentence = text_at(row, "sentence", where);
  const std::size_t gap = sentence.find('_');
  if (gap == std::string::npos) throw Error(ErrorKind::kCorruptFile, where + ": 'sentence' has no gap '_'");
  const std::string before = sentence.substr(0, gap);
  row["beginnings"] = {before + text_at(row, "option1", where), before + text_at(row, "option2", where)};
  row["rest"] = std::string(strip(std::string_view(sentence).substr(gap + 1)));
}

void strip_question(Json& row, const std::string& where) {
  row["question"] = std::string(strip(text_at(row, "question", where)));
}

}  // namespace

const NamedPreprocessor& find_preprocessor(const std::string& name, const std::string& where) {
  static const NamedPreprocessor kPreprocessors[] = {
      {"", keep, {}},
      {"flatten_arc", flatten_arc, {"question"}},
      {"clean_hellaswag", clean_hellaswag, {"activity_label", "ctx_a", "ctx_b", "endings"}},
      {"split_at_gap", split_at_gap, {"sentence", "option1", "option2"}},
      {"strip_question", strip_question, {"question"}}};
  std::vector<std::string> known;
  for (const NamedPreprocessor& named : kPreprocessors) {
    if (name == named.name) return named;
    if (*named.name != '\0') known.emplace_back(named.name);
  }
  throw Error(ErrorKind::kInvalidArgument, where + ": unknown preprocessor '" + name.substr(0, 100) + "'",
              "it is one of " + join(known, ", "));
}

}  // namespace quiver
