#include "text/oniguruma_pattern.h"

#include <cctype>

#include "quiver/error.h"
#include "text/recent_characters.h"

namespace quiver {
namespace {

// Oniguruma's \w: PCRE2's lacks marks and connector punctuation; the six digits and fractions of Latin-1 are
// in as well.
std::string word_class() {
  return "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}" + recent_characters("L") +
         recent_characters("M");
}

// Letters after a backslash that both engines read alike.
constexpr std::string_view kSharedEscapes = "nrtfaedDAzZ";

class Translator {
 public:
  Translator(std::string_view pattern, const std::string& where) : pattern_(pattern), where_(where) {}

  std::string run() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        escape();
      } else if (in_class_) {
        class_character(c);
      } else {
        character(c);
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& construct) const {
    throw Error(ErrorKind::kUnsupported, where_ + ": " + construct + " in the regular expression '" +
                                             std::string(pattern_) + "' is not supported");
  }

  void copy(std::size_t count) {
    out_ += pattern_.substr(at_, count);
    at_ += count;
  }

  void character(char c) {
    if (c == '[') {
      in_class_ = true;
      copy(1);
      if (at_ < pattern_.size() && pattern_[at_] == '^') copy(1);
      // A bracket that comes first is an empty class or a literal, depending on the engine.
      if (at_ < pattern_.size() && pattern_[at_] == ']') refuse("']' right after '['");
    } else if (c == '}' && at_ + 1 < pattern_.size() && pattern_[at_ + 1] == '+') {
      refuse("'}+' (possessive in one engine, a repeat in the other)");
    } else if (c == '(' && pattern_.substr(at_, 2) == "(?") {
      group();
    } else if (c == '(' && pattern_.substr(at_, 2) == "(*") {
      refuse("'(*'");
    } else {
      copy(1);
    }
  }

  void class_character(char c) {
    if (c == '[') refuse("a class inside a class");
    if (pattern_.substr(at_, 2) == "&&") refuse("'&&'");
    if (c == ']') in_class_ = false;
    copy(1);
  }

  void group() {
    for (std::string_view prefix : {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"}) {
      if (pattern_.substr(at_, prefix.size()) == prefix) return copy(prefix.size());
    }
    std::size_t end = at_ + 2;
    while (end < pattern_.size() && (pattern_[end] == 'i' || pattern_[end] == '-' || pattern_[end] == 'x'))
      ++end;
    if (end == at_ + 2 || end >= pattern_.size() || (pattern_[end] != ':' && pattern_[end] != ')')) {
      refuse("'" + std::string(pattern_.substr(at_, 4)) + "'");
    }
    copy(end + 1 - at_);
  }

  void escape() {
    if (at_ + 1 >= pattern_.size()) refuse("a '\\' at the end");
    const char c = pattern_[at_ + 1];
    if (!std::isalnum(static_cast<unsigned char>(c)) || kSharedEscapes.find(c) != std::string_view::npos) {
      return copy(2);
    }
    switch (c) {
      case 's':  // PCRE2's own \s has U+180E too
        return replace(2, "\\p{White_Space}");
      case 'S':
        return replace(2, "\\P{White_Space}");
      case 'w':
        return replace(2, in_class_ ? word_class() : "[" + word_class() + "]");
      case 'W':
        if (in_class_) refuse("'\\W' inside a class");
        return replace(2, "[^" + word_class() + "]");
      case 'p':
      case 'P':
        return property();
      case 'x':
      case 'u':
        return code_point();
      default:
        refuse("'\\" + std::string(1, c) + "'");
    }
  }

  void replace(std::size_t consumed, const std::string& text) {
    out_ += text;
    at_ += consumed;
  }

  void property() {
    const std::size_t close = pattern_.find('}', at_);
    if (pattern_.substr(at_ + 2, 1) != "{" || close == std::string_view::npos) refuse("'\\p' without braces");
    const std::string_view name = pattern_.substr(at_ + 3, close - at_ - 3);
    const bool negated = name.starts_with('^');
    const std::string_view bare = name.substr(negated);
    // One or two letters name a general category in both, and these two long names a property; PCRE2 would
    // read any other name as a script's extensions where the script itself is meant.
    const bool shared = bare.size() <= 2 || bare == "Alphabetic" || bare == "White_Space";
    const std::string known = (shared ? "" : "sc:") + std::string(bare) + "}";
    const std::string recent = recent_characters(bare);
    const bool inverted = negated != (pattern_[at_ + 1] == 'P');
    std::string members = (inverted && (in_class_ || recent.empty()) ? "\\P{" : "\\p{") + known;
    // A class cannot take characters away, so there the recent ones stay unknown.
    if (!inverted || !in_class_) members += recent;
    if (!in_class_ && !recent.empty()) members = (inverted ? "[^" : "[") + members + "]";
    replace(close + 1 - at_, members);
  }

  void code_point() {
    if (pattern_.substr(at_ + 1, 2) == "x{") {
      const std::size_t close = pattern_.find('}', at_);
      if (close == std::string_view::npos) refuse("'\\x{' without '}'");
      return copy(close + 1 - at_);
    }
    const std::size_t digits = pattern_[at_ + 1] == 'x' ? 2 : 4;
    const std::string_view hex = pattern_.substr(at_ + 2, digits);
    for (char digit : hex) {
      if (!std::isxdigit(static_cast<unsigned char>(digit)))
        refuse("'\\" + std::string(1, pattern_[at_ + 1]) + "'");
    }
    // \x80 and above is one byte of a character there, a code point here.
    if (hex.size() != digits || (digits == 2 && hex[0] > '7'))
      refuse("'\\" + std::string(1, pattern_[at_ + 1]) + "'");
    replace(2 + digits, "\\x{" + std::string(hex) + "}");
  }

  std::string_view pattern_;
  const std::string& where_;
  std::string out_;
  std::size_t at_ = 0;
  bool in_class_ = false;
};

}  // namespace

std::string pcre2_from_oniguruma(std::string_view pattern, const std::string& where) {
  return Translator(pattern, where).run();
}

Regex oniguruma_regex(std::string_view pattern, const std::string& where) {
  return Regex::multiline(pcre2_from_oniguruma(pattern, where), where);
}

}  // namespace quiver
