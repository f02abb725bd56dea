#include "text/component_json.h"
#include "text/tokenizer_json.h"

namespace quiver {

AddedToken read_added_token(const Json& entry, const std::string& where) {
  AddedToken token;
  token.content = json_require<std::string>(entry, "content", where);
  token.special = json_value(entry, "special", false, where);
  token.normalized = json_value(entry, "normalized", !token.special, where);
  token.single_word = json_value(entry, "single_word", false, where);
  token.lstrip = json_value(entry, "lstrip", false, where);
  token.rstrip = json_value(entry, "rstrip", false, where);
  return token;
}

std::vector<AddedToken> read_added_tokens(const Json& section, const std::string& where) {
  std::vector<AddedToken> tokens;
  if (section.is_null()) return tokens;
  if (!section.is_array()) throw Error(ErrorKind::kCorruptFile, where + ": 'added_tokens' is not a list");
  for (const Json& entry : section) {
    AddedToken token = read_added_token(entry, where);
    if (token.content.empty()) continue;
    const std::int64_t id = read_token_id(section_of(entry, "id"), token.content, where);
    token.id = Vocabulary::checked_id(token.content, id, where);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace quiver
