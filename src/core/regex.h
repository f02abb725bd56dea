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
  // In PCRE2's syntax, over Unicode's characters; ^ and $ match at the ends of lines. Throws
  // Error(kCorruptFile), naming `where`, for a pattern that is no regular expression.
  static Regex multiline(std::string_view pattern, const std::string& where);

  // Python's re.fullmatch: matches() of a whole text or not at all. Throws Error(kInvalidArgument), naming
  // `where`.
  static Regex python_fullmatch(std::string_view pattern, const std::string& where);
  // Python's re.search: the first of find_all(). Throws as python_fullmatch().
  static Regex python_search(std::string_view pattern, const std::string& where);

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

  // Whether there is a match. `text` need not be UTF-8: nothing matches what is not. Throws like find_all.
  bool matches(std::string_view text) const;

 private:
  struct Code;
  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  static Regex python(std::string_view pattern, unsigned options, const std::string& where);

  std::shared_ptr<const Code> code_;
};

}  // namespace quiver
