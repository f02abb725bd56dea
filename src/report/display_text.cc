#include "report/display_text.h"

#include <algorithm>

#include "core/check.h"
#include "core/json.h"

namespace quiver {
namespace {

constexpr const char* kReplacement = "\xef\xbf\xbd";  // U+FFFD

bool starts_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }

// C0, DEL and C1; the last take two bytes, c2 80 to c2 9f.
bool is_control(const std::string& character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (first == 0xc2) return static_cast<unsigned char>(character[1]) < 0xa0;
  return first < 0x20 || first == 0x7f;
}

}  // namespace

std::string display_text(const std::string& text, std::size_t max_characters) {
  QUIVER_CHECK(max_characters >= 4, max_characters);
  // dump_json() repairs broken UTF-8; reading it back undoes its escapes.
  const auto valid = Json::parse(dump_json(text)).get<std::string>();
  std::string shown;
  std::size_t count = 0;
  std::size_t cut = 0;  // bytes that leave room for the dots
  for (std::size_t begin = 0; begin < valid.size();) {
    std::size_t end = begin + 1;
    while (end < valid.size() && !starts_character(valid[end])) ++end;
    if (count == max_characters) return shown.substr(0, cut) + "...";
    const std::string character = valid.substr(begin, end - begin);
    shown += is_control(character) ? kReplacement : character;
    if (++count == max_characters - 3) cut = shown.size();
    begin = end;
  }
  return shown;
}

std::size_t character_count(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

std::string short_name(const std::string& path) {
  const std::size_t last = path.find_last_not_of('/');
  if (last == std::string::npos) return path;
  const std::size_t slash = path.find_last_of('/', last);
  return path.substr(slash == std::string::npos ? 0 : slash + 1,
                     last - (slash == std::string::npos ? 0 : slash + 1) + 1);
}

}  // namespace quiver
