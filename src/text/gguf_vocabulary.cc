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

namespace {

// The id that a file names, or llama.cpp's own for a SentencePiece vocabulary; none that is no token.
std::optional<std::int32_t> special_id(const GgufVocabulary& source, std::optional<std::int32_t> named,
                                       std::int32_t of_llama) {
  if (!named && source.model == "llama") named = of_llama;
  if (named && (*named < 0 || *named >= static_cast<std::int64_t>(source.tokens.size()))) return std::nullopt;
  return named;
}

std::int32_t require_id(std::optional<std::int32_t> id, const std::string& name) {
  if (id) return *id;
  throw Error(ErrorKind::kCorruptFile, std::string(kGgufVocabularyName) + ": texts get a " + name +
                                           " token (add_" + name + "_token), but " + name +
                                           "_token_id names none");
}

// The defaults are llama.cpp's (llama_vocab::impl::load).
void add_ends(const GgufVocabulary& source, TokenizerParts& parts) {
  parts.bos_id = special_id(source, source.bos_id, 1);
  parts.eos_id = special_id(source, source.eos_id, 2);
  const bool begins_by_default = parts.bos_id && (source.model == "llama" || source.pre == "llama-bpe");
  if (source.add_bos.value_or(begins_by_default)) parts.frame.before = {require_id(parts.bos_id, "bos")};
  if (parts.bos_id) parts.named_tokens["bos_token"] = source.tokens[static_cast<std::size_t>(*parts.bos_id)];
  if (parts.eos_id) parts.named_tokens["eos_token"] = source.tokens[static_cast<std::size_t>(*parts.eos_id)];
  if (source.add_eos.value_or(false)) parts.frame.after = {require_id(parts.eos_id, "eos")};
}

}  // namespace

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
  std::unique_ptr<TokenizerParts> parts = source.model == "gpt2"
                                              ? byte_pair_parts(source, std::move(vocabulary))
                                              : sentencepiece_parts(source, std::move(vocabulary));
  add_ends(source, *parts);
  return std::make_shared<const Tokenizer>(std::move(parts));
}

}  // namespace quiver
