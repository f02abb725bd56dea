#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quiver {

// Parts of `text` between `separator`s, trimmed of spaces, empty ones dropped.
std::vector<std::string> split_list(std::string_view text, char separator = ',');

std::string join(std::span<const std::string> parts, std::string_view separator);

// `text` with every occurrence of `from`, which is not empty, replaced; one pass from the left.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

// The letters A to Z in lower case.
std::string lower_case(std::string text);

// `text` as one line that a terminal only shows: control characters, and bytes that are no UTF-8, as \n, \t
// or \xNN.
std::string escape_controls(std::string_view text);

// A number as an error says it: "nan", "-inf", "0.5", "1e-300".
std::string number_text(double value);

// The up to `count` candidates nearest to `name` by edit distance, nearest first; far ones are left out.
std::vector<std::string> nearest_names(std::string_view name, std::span<const std::string> candidates,
                                       std::size_t count = 3);

// "did you mean 'a' or 'b'?", or an empty text when nothing is near.
std::string did_you_mean(std::string_view name, std::span<const std::string> candidates);

}  // namespace quiver
