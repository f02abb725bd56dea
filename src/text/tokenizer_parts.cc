#include "text/tokenizer_parts.h"

#include "text/byte_alphabet.h"

namespace quiver {

TokenizerParts make_tokenizer_parts(Vocabulary vocabulary, std::vector<AddedToken> added,
                                    Normalizer normalizer, PreTokenizer pre_tokenizer, BytePairModel model) {
  std::vector<std::string> bytes_of_id(static_cast<std::size_t>(vocabulary.size()));
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string* content = vocabulary.content(id);
    if (content != nullptr)
      bytes_of_id[static_cast<std::size_t>(id)] = bytes_of_token(*content).value_or(*content);
  }
  std::unordered_set<std::int32_t> special_ids;
  std::vector<AddedToken> raw, normalized;
  for (AddedToken& token : added) {
    bytes_of_id[static_cast<std::size_t>(token.id)] = token.content;
    if (token.special) special_ids.insert(token.id);
    if (token.normalized) {
      token.content = normalizer.normalize(token.content);
      normalized.push_back(std::move(token));
    } else {
      raw.push_back(std::move(token));
    }
  }
  return {std::move(vocabulary),    AddedTokenMatcher(std::move(raw)),
          std::move(normalizer),    AddedTokenMatcher(std::move(normalized)),
          std::move(pre_tokenizer), std::move(model),
          std::move(bytes_of_id),   std::move(special_ids)};
}

}  // namespace quiver
