#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "core/json.h"

namespace quiver {

// Ten times the largest tokenizer.json known.
inline constexpr std::uint64_t kMaxTokenizerBytes = 256ull << 20;

// The files that folders had before there was tokenizer.json. Those of a GPT-2 (vocab.json and merges.txt)
// come back as the tokenizer.json that `transformers` would make of them; nothing where a folder has none.
// Throws Error(kUnsupported) with the way to a tokenizer.json for another model's files and for
// tokenizer.model, Error(kCorruptFile, kIo).
std::optional<Json> json_of_vocabulary_files(const std::filesystem::path& folder);

}  // namespace quiver
