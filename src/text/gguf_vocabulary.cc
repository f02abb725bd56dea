#include "text/gguf_vocabulary.h"

namespace quiver {

std::vector<AddedToken> gguf_tokens_of_type(const GgufVocabulary& source, GgufTokenType type) {
  std::vector<AddedToken> tokens;
  for (std::size_t id = 0; id < source.token_types.size(); ++id) {
    if (source.token_types[id] != type) continue;
    tokens.push_back({.id = static_cast<std::int32_t>(id),
                      .content = source.tokens[id],
                      .special = type != kGgufUserDefined});
  }
  return tokens;
}

std::shared_ptr<const Tokenizer> Tokenizer::from_vocabulary(const GgufVocabulary& source) {
  const std::string where = kGgufVocabularyName;
  if (source.model != "gpt2" && source.model != "llama") {
    throw Error(ErrorKind::kUnsupported,
                "GGUF tokenizer model '" + source.model.substr(0, 100) + "' is not supported",
                "known: gpt2, llama");
  }
  if (source.tokens.empty()) throw Error(ErrorKind::kCorruptFile, where + ": holds no tokens");
  if (!source.token_types.empty() && source.token_types.size() != source.tokens.size()) {
    throw Error(ErrorKind::kCorruptFile, where + ": " + std::to_string(source.tokens.size()) +
                                             " tokens but " + std::to_string(source.token_types.size()) +
                                             " token types");
  }
  Vocabulary vocabulary;
  for (std::size_t id = 0; id < source.tokens.size(); ++id) {
    vocabulary.add(source.tokens[id], static_cast<std::int64_t>(id), where);
  }
  return std::make_shared<const Tokenizer>(source.model == "gpt2"
                                               ? byte_pair_parts(source, std::move(vocabulary))
                                               : sentencepiece_parts(source, std::move(vocabulary)));
}

}  // namespace quiver
