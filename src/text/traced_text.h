#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quiver/tokenizer.h"

namespace quiver {

// Valid UTF-8 that was cut out of an input text and perhaps rewritten, and where in the input each byte came
// from.
class TracedText {
 public:
  TracedText() = default;

  // The input with broken bytes replaced by U+FFFD. REQUIRES: input.size() fits std::uint32_t.
  static TracedText repaired(std::string_view input);

  const std::string& bytes() const { return bytes_; }

  // The place in the input of bytes [begin, end).
  TextSpan span(std::size_t begin, std::size_t end) const;

  TracedText slice(std::size_t begin, std::size_t end) const;

  // The two below build a rewritten text from an empty one.

  // Adds bytes that all stand for `source`.
  void append(std::string_view bytes, TextSpan source);

  // Adds bytes [begin, end) of another text as they are.
  void append_part(const TracedText& other, std::size_t begin, std::size_t end);

 private:
  std::string bytes_;
  std::vector<TextSpan>
      origins_;  // one per byte; empty while the bytes are those of the input from offset_ on
  std::uint32_t offset_ = 0;
};

}  // namespace quiver
