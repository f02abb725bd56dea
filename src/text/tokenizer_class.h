#pragma once

#include <filesystem>
#include <string>

#include "core/json.h"

namespace quiver {

// What the class that AutoTokenizer of transformers 5.23 takes for a folder adds to its files.
struct TokenizerClass {
  bool heeds_prefix_space = false;  // of tokenizer_config.json; the others follow tokenizer.json alone
  std::string bos_token;            // where no file names one; empty: none
};

TokenizerClass tokenizer_class(const std::filesystem::path& folder, const Json& tokenizer_config,
                               const Json& tokenizer_json);

}  // namespace quiver
