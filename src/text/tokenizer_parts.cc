#include "text/tokenizer_parts.h"

namespace quiver {

std::unique_ptr<TokenizerParts> make_tokenizer_parts(Vocabulary vocabulary, std::vector<AddedToken> added,
                                                     Normalizer normalizer, PreTokenizer pre_tokenizer,
                                                     std::unique_ptr<const TokenModel> model,
                                                     Decoder decoder) {
  std::unordered_set<std::int32_t> special_ids;
  std::unordered_map<std::int32_t, std::string> rewritten;
  std::vector<AddedToken> raw, normalized;
  for (AddedToken& token : added) {
    if (token.special) special_ids.insert(token.id);
    if (token.normalized) {
      std::string content = normalizer.normalize(token.content);
      if (content != token.content) rewritten.emplace(token.id, content);
      token.content = std::move(content);
      normalized.push_back(std::move(token));
    } else {
      raw.push_back(std::move(token));
    }
  }
  return std::make_unique<TokenizerParts>(
      TokenizerParts{std::move(vocabulary), AddedTokenMatcher(std::move(raw)), std::move(normalizer),
                     AddedTokenMatcher(std::move(normalized)), std::move(pre_tokenizer), std::move(model),
                     std::move(decoder), std::move(special_ids), std::move(rewritten)});
}

}  // namespace quiver
