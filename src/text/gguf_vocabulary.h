#pragma once

#include <memory>
#include <vector>

#include "quiver/tokenizer.h"
#include "text/added_tokens.h"
#include "text/tokenizer_parts.h"
#include "text/vocabulary.h"

namespace quiver {

// Values of tokenizer.ggml.token_type that matter here.
enum GgufTokenType : std::int32_t { kGgufUnknown = 2, kGgufControl = 3, kGgufUserDefined = 4, kGgufByte = 6 };

// What the messages about a GGUF file's vocabulary begin with.
inline constexpr char kGgufVocabularyName[] = "GGUF vocabulary";

// The two kinds of `model`; both throw Error(kUnsupported, kCorruptFile). `vocabulary` holds source.tokens.
std::unique_ptr<TokenizerParts> byte_pair_parts(const GgufVocabulary& source, Vocabulary vocabulary);
std::unique_ptr<TokenizerParts> sentencepiece_parts(const GgufVocabulary& source, Vocabulary vocabulary);

// The tokens of one type, as added tokens.
std::vector<AddedToken> gguf_tokens_of_type(const GgufVocabulary& source, GgufTokenType type);

}  // namespace quiver
