#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/files.h"
#include "core/json.h"
#include "quiver/tokenizer.h"
#include "support/test_support.h"
#include "text/byte_alphabet.h"
#include "text/utf8.h"

namespace quiver::test {

// A whole tokenizer.json: the 256 bytes as tokens 0..255 in byte order, "he" (256) and "hel" (257) with their
// merges, and "<end>" (258) as a special token.
inline Json byte_tokenizer() {
  Json vocabulary = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    std::string content;
    append_utf8(content, byte_alphabet()[static_cast<std::size_t>(byte)]);
    vocabulary[content] = byte;
  }
  vocabulary["he"] = 256;
  vocabulary["hel"] = 257;
  return {{"added_tokens", {{{"id", 258}, {"content", "<end>"}, {"special", true}, {"normalized", false}}}},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", {"h e", "he l"}}}}};
}

inline std::shared_ptr<const Tokenizer> tokenizer_from(const std::string& content) {
  const ScratchDirectory scratch;
  write_file_atomic(scratch / "tokenizer.json", content);
  return Tokenizer::from_file(scratch / "tokenizer.json");
}

inline std::shared_ptr<const Tokenizer> tokenizer_from(const Json& file) {
  return tokenizer_from(file.dump());
}

}  // namespace quiver::test
