#include <algorithm>

#include "text/component_json.h"
#include "text/tokenizer_json.h"

namespace quiver {
namespace {

std::int32_t read_id(const Json& value, const std::string& content, const std::string& where) {
  return Vocabulary::checked_id(content, read_token_id(value, content, where), where);
}

// {"sep": ["[SEP]", 102], "cls": ["[CLS]", 101]}
std::int32_t read_pair(const Json& section, const char* key, const std::string& where) {
  const Json& pair = section_of(section, key);
  if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string()) {
    throw Error(ErrorKind::kCorruptFile,
                where + ": '" + key + "' of the post-processor is not a token and its id");
  }
  return read_id(pair[1], pair[0].get<std::string>(), where);
}

// The ids that a template's special token stands for.
std::vector<std::int32_t> read_special(const Json& section, const std::string& name,
                                       const std::string& where) {
  const Json& ids = section_of(section_of(section_of(section, "special_tokens"), name), "ids");
  if (!ids.is_array()) {
    throw Error(ErrorKind::kCorruptFile, where + ": the post-processor's template names '" +
                                             name.substr(0, 100) + "', which its 'special_tokens' lack");
  }
  std::vector<std::int32_t> result;
  for (const Json& id : ids) result.push_back(read_id(id, name, where));
  return result;
}

TextFrame read_template(const Json& section, const std::string& where) {
  const Json& pieces = section_of(section, "single");
  if (!pieces.is_array())
    throw Error(ErrorKind::kCorruptFile, where + ": 'single' of the post-processor is not a list");
  TextFrame frame;
  int texts = 0;
  for (const Json& piece : pieces) {
    if (const Json& text = section_of(piece, "Sequence"); !text.is_null()) {
      texts += json_value<std::string>(text, "id", "A", where) == "A" ? 1 : 2;
      continue;
    }
    const Json& special = section_of(piece, "SpecialToken");
    const auto name = json_require<std::string>(special, "id", where + ": post-processor");
    const std::vector<std::int32_t> ids = read_special(section, name, where);
    std::vector<std::int32_t>& side = texts == 0 ? frame.before : frame.after;
    side.insert(side.end(), ids.begin(), ids.end());
  }
  if (texts != 1) {
    throw Error(ErrorKind::kUnsupported, where +
                                             ": the post-processor's template does not hold the text once: " +
                                             dump_json(pieces).substr(0, 200));
  }
  return frame;
}

TextFrame read_step(const Json& step, const std::string& where) {
  const std::string type = component_type(step, where);
  if (type == "TemplateProcessing") return read_template(step, where);
  if (type == "BertProcessing" || type == "RobertaProcessing")
    return {{read_pair(step, "cls", where)}, {read_pair(step, "sep", where)}};
  if (type == "ByteLevel") return {};
  refuse_component(where, "post-processor", type,
                   "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, Sequence");
}

}  // namespace

TextFrame read_post_processor(const Json& section, const std::string& where) {
  TextFrame frame;
  for (const Json* step : component_steps(section, "processors", where)) {
    // Each puts its tokens around what the one before it made.
    TextFrame outer = read_step(*step, where);
    frame.before.insert(frame.before.begin(), outer.before.begin(), outer.before.end());
    frame.after.insert(frame.after.end(), outer.after.begin(), outer.after.end());
  }
  return frame;
}

}  // namespace quiver
