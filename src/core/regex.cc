#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/regex.h"

#include <pcre2.h>

#include "core/python_pattern.h"
#include "quiver/error.h"

namespace quiver {
namespace {

std::string message_of(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

// A byte of UTF-8 that does not begin a character.
bool is_inside_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

// Throws Error(kind) that begins with `problem` for a pattern that does not compile.
pcre2_code* compile(std::string_view pattern, unsigned options, ErrorKind kind, const std::string& problem) {
  int error = 0;
  PCRE2_SIZE error_at = 0;
  pcre2_code* code =
      pcre2_compile(units(pattern), pattern.size(), PCRE2_UTF | options, &error, &error_at, nullptr);
  if (code == nullptr)
    throw Error(kind, problem + ": " + message_of(error) + " at byte " + std::to_string(error_at));
  // Where the processor has no JIT support the interpreter matches the same, slower.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  return code;
}

}  // namespace

struct Regex::Code {
  Code(pcre2_code* compiled, std::string_view source) : code(compiled), pattern(source) {}
  ~Code() { pcre2_code_free(code); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;

  bool find(std::string_view text, std::size_t from, unsigned options, pcre2_match_data* data) const;

  pcre2_code* code;
  std::string pattern;
};

Regex Regex::multiline(std::string_view pattern, const std::string& where) {
  const std::string problem =
      where + ": the regular expression '" + std::string(pattern) + "' does not compile";
  return Regex(std::make_shared<const Code>(
      compile(pattern, PCRE2_UCP | PCRE2_MULTILINE, ErrorKind::kCorruptFile, problem), pattern));
}

Regex Regex::python(std::string_view pattern, unsigned options, const std::string& where) {
  const std::string problem = where + ": '" + std::string(pattern) + "' is not a regular expression";
  return Regex(std::make_shared<const Code>(
      compile(pcre2_from_python(pattern, problem), PCRE2_UCP | options, ErrorKind::kInvalidArgument, problem),
      pattern));
}

Regex Regex::python_fullmatch(std::string_view pattern, const std::string& where) {
  return python(pattern, PCRE2_ANCHORED | PCRE2_ENDANCHORED, where);
}

Regex Regex::python_search(std::string_view pattern, const std::string& where) {
  return python(pattern, 0, where);
}

Regex Regex::literal(std::string_view text) {
  return Regex(std::make_shared<const Code>(
      compile(text, PCRE2_LITERAL, ErrorKind::kCorruptFile, "a literal text"), text));
}

// Finds the first match at or after `from`; the bounds are in `data`.
bool Regex::Code::find(std::string_view text, std::size_t from, unsigned options,
                       pcre2_match_data* data) const {
  const auto match = [&](unsigned more) {
    return pcre2_match(code, units(text), text.size(), from, options | more, data, nullptr);
  };
  int result = match(0);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH || (result <= PCRE2_ERROR_UTF8_ERR1 && result >= PCRE2_ERROR_UTF8_ERR21))
    return false;
  if (result < 0) {
    throw Error(ErrorKind::kUnsupported, "the regular expression '" + pattern + "' gives up on a text of " +
                                             std::to_string(text.size()) + " bytes: " + message_of(result));
  }
  return true;
}

std::vector<Regex::Match> Regex::find_all(std::string_view text) const {
  const std::unique_ptr<pcre2_match_data, FreeMatchData> data(pcre2_match_data_create(1, nullptr));
  std::vector<Match> matches;
  std::size_t from = 0;
  while (from <= text.size() && code_->find(text, from, PCRE2_NO_UTF_CHECK, data.get())) {
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
    if (ends[0] >= ends[1] && !matches.empty() && matches.back().end == ends[1]) {
      do ++from;
      while (from < text.size() && is_inside_character(text[from]));
      continue;
    }
    matches.push_back({ends[0], ends[1]});
    from = ends[1];
  }
  return matches;
}

bool Regex::matches(std::string_view text) const {
  const std::unique_ptr<pcre2_match_data, FreeMatchData> data(pcre2_match_data_create(1, nullptr));
  return code_->find(text, 0, 0, data.get());
}

}  // namespace quiver
