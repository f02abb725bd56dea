#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include "quiver/error.h"
#include "text/oniguruma_pattern.h"
#include "text/utf8.h"

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

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

struct Regex::Code {
  Code(pcre2_code* compiled, std::string_view source) : code(compiled), pattern(source) {}
  ~Code() { pcre2_code_free(code); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;

  pcre2_code* code;
  std::string pattern;
};

Regex Regex::compile(std::string_view pattern, unsigned options, const std::string& where) {
  int error = 0;
  PCRE2_SIZE error_at = 0;
  pcre2_code* code =
      pcre2_compile(units(pattern), pattern.size(), PCRE2_UTF | options, &error, &error_at, nullptr);
  if (code == nullptr) {
    throw Error(ErrorKind::kCorruptFile, where + ": the regular expression '" + std::string(pattern) +
                                             "' does not compile: " + message_of(error) + " at byte " +
                                             std::to_string(error_at));
  }
  // Where the processor has no JIT support the interpreter matches the same, slower.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  return Regex(std::make_shared<const Code>(code, pattern));
}

Regex Regex::from_oniguruma(std::string_view pattern, const std::string& where) {
  return compile(pcre2_from_oniguruma(pattern, where), PCRE2_UCP | PCRE2_MULTILINE, where);
}

Regex Regex::literal(std::string_view text) { return compile(text, PCRE2_LITERAL, "literal"); }

std::vector<Regex::Match> Regex::find_all(std::string_view text) const {
  const std::unique_ptr<pcre2_match_data, FreeMatchData> data(pcre2_match_data_create(1, nullptr));
  std::vector<Match> matches;
  std::size_t from = 0;
  while (from <= text.size()) {
    const auto match = [&](unsigned options) {
      return pcre2_match(code_->code, units(text), text.size(), from, PCRE2_NO_UTF_CHECK | options,
                         data.get(), nullptr);
    };
    int result = match(0);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
    if (result == PCRE2_ERROR_NOMATCH) break;
    if (result < 0) {
      throw Error(ErrorKind::kUnsupported, "the tokenizer's regular expression '" + code_->pattern +
                                               "' gives up on a text of " + std::to_string(text.size()) +
                                               " bytes: " + message_of(result));
    }
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
    if (ends[0] >= ends[1] && !matches.empty() && matches.back().end == ends[1]) {
      from += from < text.size() ? utf8_step(text, from).length : 1;
      continue;
    }
    matches.push_back({ends[0], ends[1]});
    from = ends[1];
  }
  return matches;
}

}  // namespace quiver
