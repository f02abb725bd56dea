#include "report/html_text.h"

#include <algorithm>

#include "core/strings.h"
#include "report/display_text.h"

namespace quiver {

std::string html_text(const std::string& text, std::size_t max_characters) {
  std::string shown;
  std::size_t room = max_characters;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (begin > 0) {
      if (room < 5) return shown + "...";
      shown += '\n';
      --room;
    }
    std::string line = text.substr(begin, end - begin);
    std::replace(line.begin(), line.end(), '\t', ' ');
    if (line.ends_with('\r')) line.pop_back();
    line = display_text(line, room);
    const std::size_t used = character_count(line);
    for (const auto& [character, entity] :
         {std::pair{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}})
      line = replace_all(line, character, entity);
    shown += line;
    room -= used;
    if (room < 5 && end < text.size()) return shown + (line.ends_with("...") ? "" : "...");
    begin = end + 1;
  }
  return shown;
}

std::string scrolling_table(const std::string& label, const std::string& head, const std::string& body) {
  return "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"" + html_text(label) +
         "\"><table><thead>" + head + "</thead><tbody>" + body + "</tbody></table></div>\n";
}

}  // namespace quiver
