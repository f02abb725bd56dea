#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "quiver/tokenizer.h"
#include "text/added_tokens.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace quiver {

// The sections of a tokenizer.json (reference: tokenizers 0.23 serialization). Each function takes the
// section's value and the file name for messages, and throws Error(kUnsupported) naming a `type` or setting
// it does not know and Error(kCorruptFile, kInvalidArgument) for one that cannot be read.

Normalizer read_normalizer(const Json& section, const std::string& where);

struct PreTokenizerSection {
  PreTokenizer pre_tokenizer;
  bool byte_level;  // words are spelled in the byte-level alphabet
};
PreTokenizerSection read_pre_tokenizer(const Json& section, const std::string& where);

// Null joins tokens with spaces.
Decoder read_decoder(const Json& section, const std::string& where);

struct ModelSection {
  Vocabulary vocabulary;
  std::unique_ptr<const TokenModel> model;
};
ModelSection read_model(const Json& model, bool byte_level, const std::string& where);

// `added_tokens`, with the ids that the file gives them.
std::vector<AddedToken> read_added_tokens(const Json& section, const std::string& where);

// One token's text and flags, without an id.
AddedToken read_added_token(const Json& entry, const std::string& where);

// What a post-processor puts around a single text. ByteLevel, which moves places in the text only, puts
// nothing.
TextFrame read_post_processor(const Json& section, const std::string& where);

// What several sections hold.

// The id of `content`. A number that no vocabulary can hold comes back as one that Vocabulary::add refuses.
std::int64_t read_token_id(const Json& value, const std::string& content, const std::string& where);

// A text of one character.
std::string read_character(const Json& section, const char* key, const std::string& where);

struct MetaspaceSettings {
  std::string replacement;
  PrependScheme prepend_scheme = PrependScheme::kAlways;
};
MetaspaceSettings read_metaspace_settings(const Json& section, const std::string& where);

}  // namespace quiver
