#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace quiver {

// A compiled regular expression over valid UTF-8. Immutable and thread-safe; copies share the compiled code.
class Regex {
 public:
  // Of a tokenizer.json (see oniguruma_pattern.h). Throws Error(kUnsupported) for a construct that cannot be
  // matched alike, Error(kCorruptFile) for a pattern that is no regular expression; both name `where`.
  static Regex from_oniguruma(std::string_view pattern, const std::string& where);

  // Matches `text` itself.
  static Regex literal(std::string_view text);

  // Bytes [begin, end) of a match.
  struct Match {
    std::size_t begin;
    std::size_t end;
  };

  // All matches from left to right, without overlap. An empty match right after another match is left out.
  // Throws Error(kUnsupported) when the pattern backtracks without end on this text.
  std::vector<Match> find_all(std::string_view text) const;

 private:
  struct Code;
  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  static Regex compile(std::string_view pattern, unsigned options, const std::string& where);

  std::shared_ptr<const Code> code_;
};

}  // namespace quiver
