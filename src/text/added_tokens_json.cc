#include "text/component_json.h"
#include "text/tokenizer_json.h"

namespace quiver {

std::vector<AddedToken> read_added_tokens(const Json& section, Vocabulary& vocabulary,
                                          const std::string& where) {
  std::vector<AddedToken> tokens;
  if (section.is_null()) return tokens;
  if (!section.is_array()) throw Error(ErrorKind::kCorruptFile, where + ": 'added_tokens' is not a list");
  for (const Json& entry : section) {
    AddedToken token;
    token.content = json_require<std::string>(entry, "content", where);
    if (token.content.empty()) continue;
    const std::int64_t id = read_token_id(section_of(entry, "id"), token.content, where);
    const auto known = vocabulary.id(token.content);
    if (!known) {
      vocabulary.add(token.content, id, where);
    } else if (*known != id) {
      throw Error(ErrorKind::kCorruptFile, where + ": added token '" + token.content.substr(0, 200) +
                                               "' has id " + std::to_string(id) + ", but " +
                                               std::to_string(*known) + " in the vocabulary");
    }
    token.id = static_cast<std::int32_t>(id);
    token.special = json_value(entry, "special", false, where);
    token.normalized = json_value(entry, "normalized", !token.special, where);
    token.single_word = json_value(entry, "single_word", false, where);
    token.lstrip = json_value(entry, "lstrip", false, where);
    token.rstrip = json_value(entry, "rstrip", false, where);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace quiver
