#include "core/python_pattern.h"

#include <algorithm>

#include "quiver/error.h"

namespace quiver {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Letters after a backslash that mean the same in both; \Z is translated.
constexpr std::string_view kSharedEscapes = "AbBdDsSwWafnrtx";

class Translator {
 public:
  Translator(std::string_view pattern, const std::string& problem) : pattern_(pattern), problem_(problem) {}

  std::string run() {
    while (!rest().empty()) {
      const char c = rest().front();
      if (c == '\\') {
        escape();
      } else if (in_class_) {
        class_character(c);
      } else if (c == '[') {
        open_class();
      } else if (c == '(') {
        group();
      } else {
        character(c);
      }
    }
    return std::move(out_);
  }

 private:
  std::string_view rest() const { return pattern_.substr(at_); }

  [[noreturn]] void refuse(std::string_view construct) const {
    throw Error(ErrorKind::kInvalidArgument, problem_ + ": " + std::string(construct));
  }

  void copy(std::size_t count) {
    out_ += rest().substr(0, count);
    at_ = std::min(at_ + count, pattern_.size());
  }

  void replace(std::size_t count, std::string_view by) {
    out_ += by;
    at_ += count;
  }

  void escape() {
    if (rest().size() < 2) refuse("a backslash ends it");
    const char c = rest()[1];
    if (c == 'Z' && !in_class_) return replace(2, "\\z");
    if (is_letter(c) && kSharedEscapes.find(c) == std::string_view::npos)
      refuse("bad escape " + std::string(rest().substr(0, 2)));
    copy(2);
  }

  void open_class() {
    in_class_ = true;
    copy(1);
    if (rest().starts_with('^')) copy(1);
    if (rest().starts_with(']')) replace(1, "\\]");
  }

  void class_character(char c) {
    in_class_ = c != ']';
    if (c == '[') return replace(1, "\\[");  // PCRE2 would see [:digit:] and the like
    copy(1);
  }

  void group() {
    if (rest().starts_with("(*")) refuse("nothing to repeat");
    if (rest().starts_with("(?")) {
      constexpr std::string_view kExtensions[] = {":", "=", "!", "<=", "<!", "P<", "P=", "#",
                                                  "(", ">", "i", "m",  "s",  "x",  "-"};
      const std::string_view extension = rest().substr(2);
      if (std::none_of(std::begin(kExtensions), std::end(kExtensions),
                       [&](std::string_view known) { return extension.starts_with(known); }))
        refuse("unknown extension " + std::string(rest().substr(1, 2)));
    }
    copy(1);
  }

  void character(char c) {
    copy(1);
    // {,3} is "up to three" in Python, and text in PCRE2.
    if (c != '{' || !rest().starts_with(',')) return;
    std::size_t digits = 1;
    while (digits < rest().size() && is_digit(rest()[digits])) ++digits;
    if (digits > 1 && rest().substr(digits).starts_with('}')) out_ += '0';
  }

  std::string_view pattern_;
  const std::string& problem_;
  std::string out_;
  std::size_t at_ = 0;
  bool in_class_ = false;
};

}  // namespace

std::string pcre2_from_python(std::string_view pattern, const std::string& problem) {
  return Translator(pattern, problem).run();
}

}  // namespace quiver
