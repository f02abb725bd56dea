#include "value_check.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/strings.h"
#include "quiver/error.h"

namespace quiver::program {
namespace {

template <typename T>
std::optional<T> parse_number(const std::string& text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

}  // namespace

ValueCheck whole_number(std::int64_t least, std::int64_t most) {
  const bool bounded = most != std::numeric_limits<std::int64_t>::max();
  const std::string wanted = bounded ? "between " + std::to_string(least) + " and " + std::to_string(most)
                                     : "of at least " + std::to_string(least);
  return [=](const std::string& text) -> std::optional<std::string> {
    const std::optional<std::int64_t> value = parse_number<std::int64_t>(text);
    if (value && *value >= least && *value <= most) return std::nullopt;
    // Digits that fit no 64 bits are a number all the same.
    const bool too_long =
        !value && !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
    if (too_long && !bounded) return "is above " + std::to_string(most);
    return "is not a whole number " + wanted;
  };
}

ValueCheck finite_number(std::function<bool(double)> fits, std::string wanted) {
  return [fits = std::move(fits),
          wanted = std::move(wanted)](const std::string& text) -> std::optional<std::string> {
    const std::optional<double> value = parse_number<double>(text);
    if (value && std::isfinite(*value) && fits(*value)) return std::nullopt;
    return "is not a finite number" + (wanted.empty() ? "" : " " + wanted);
  };
}

ValueCheck number_above_zero() {
  return finite_number([](double value) { return value > 0; }, "above 0");
}

ValueCheck number_not_negative() {
  return finite_number([](double value) { return value >= 0; }, "of at least 0");
}

ValueCheck share() {
  return finite_number([](double value) { return value >= 0 && value <= 1; }, "between 0 and 1");
}

ValueCheck one_of(std::vector<std::string> words) {
  return [words = std::move(words)](const std::string& text) -> std::optional<std::string> {
    if (std::ranges::find(words, text) != words.end()) return std::nullopt;
    const std::string nearest = did_you_mean(text, words);
    return "is none of " + join(words, ", ") + (nearest.empty() ? "" : "; " + nearest);
  };
}

ValueCheck parsed_by(std::function<void(const std::string&)> parse) {
  return [parse = std::move(parse)](const std::string& text) -> std::optional<std::string> {
    try {
      parse(text);
      return std::nullopt;
    } catch (const Error& error) {
      return "is not taken: " + std::string(error.what()) + (error.hint().empty() ? "" : "; " + error.hint());
    }
  };
}

}  // namespace quiver::program
