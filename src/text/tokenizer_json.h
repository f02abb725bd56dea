#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "text/added_tokens.h"
#include "text/byte_pair_model.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/vocabulary.h"

namespace quiver {

// The sections of a tokenizer.json (reference: tokenizers 0.23 serialization). Each function takes the
// section's value and the file name for messages, and throws Error(kUnsupported) naming a `type` or setting
// it does not know and Error(kCorruptFile, kInvalidArgument) for one that cannot be read.

Normalizer read_normalizer(const Json& section, const std::string& where);

PreTokenizer read_pre_tokenizer(const Json& section, const std::string& where);

void check_decoder(const Json& section, const std::string& where);

// The model's `vocab`.
Vocabulary read_vocabulary(const Json& model, const std::string& where);

BytePairModel read_model(const Json& model, const Vocabulary& vocabulary, const std::string& where);

// Reads `added_tokens` and adds those that the model does not have to `vocabulary`.
std::vector<AddedToken> read_added_tokens(const Json& section, Vocabulary& vocabulary,
                                          const std::string& where);

// `key` of an object section, or null where it is absent.
const Json& section_of(const Json& object, const std::string& key);

}  // namespace quiver
