#pragma once

#include <cstddef>
#include <string>

namespace quiver {

// More of a text than this is not shown on a page.
inline constexpr std::size_t kMaxHtmlText = 4000;

// `text` for the inside of an HTML element or of an attribute in quotes: valid UTF-8, no control characters
// but line feeds, no markup; cut to at most `max_characters`, each line feed counting as one, with "..." at
// the end.
std::string html_text(const std::string& text, std::size_t max_characters = kMaxHtmlText);

// A table that scrolls by itself where the screen is narrow; `label` is what screen readers call it.
std::string scrolling_table(const std::string& label, const std::string& head, const std::string& body);

}  // namespace quiver
