#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "text/added_tokens.h"

namespace quiver {

// What the files beside a tokenizer.json say, read as AutoTokenizer of transformers 5.23 reads them.
struct TokenizerSettings {
  // Tokens to add after those of tokenizer.json, by the file they stand in.
  struct Source {
    std::string where;
    std::vector<AddedToken> tokens;
  };
  std::vector<Source> added;
  std::string bos_token, eos_token;                 // texts; empty: none is named
  std::map<std::string, std::string> named_tokens;  // texts by name, these two included
  std::optional<bool> add_prefix_space;             // absent where the tokenizer's class does not heed it
  bool legacy_prefix = false;  // LlamaTokenizer's `legacy`: a space before every part of a text
};

// `own`: the added tokens of tokenizer.json itself. Throws Error(kCorruptFile, kInvalidArgument, kIo) naming
// the file.
TokenizerSettings read_tokenizer_settings(const std::filesystem::path& folder, const Json& tokenizer_json,
                                          const std::vector<AddedToken>& own);

// Writes add_prefix_space into the pre-tokenizer and normalizer of a tokenizer.json, as the classes do that
// build theirs anew.
void apply_prefix_space(const TokenizerSettings& settings, Json& tokenizer_json);

// The object in a file of settings, or an empty one where the file is not there.
Json read_settings_file(const std::filesystem::path& path);

}  // namespace quiver
