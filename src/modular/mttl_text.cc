#include "modular/mttl_text.h"

#include <array>
#include <utility>

#include "core/strings.h"

namespace quiver {

std::string clean_up_spaces(std::string text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kReplacements = {
      {{" .", "."},
       {" ?", "?"},
       {" !", "!"},
       {" ,", ","},
       {" ' ", "'"},
       {" n't", "n't"},
       {" 'm", "'m"},
       {" 's", "'s"},
       {" 've", "'ve"},
       {" 're", "'re"}}};
  for (const auto& [from, to] : kReplacements) text = replace_all(text, from, to);
  return text;
}

std::string mttl_continuation(std::string_view source, std::string whole, std::string added) {
  const std::string text = clean_up_spaces(std::move(whole));
  const std::size_t place = source.empty() ? std::string::npos : text.find(source);
  if (place == std::string::npos) return clean_up_spaces(std::move(added));
  const std::size_t begin = place + source.size();
  return text.substr(begin, text.find(source, begin) - begin);
}

}  // namespace quiver
