#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace quiver {

// Text from a file made fit for a message: as escape_controls shows it, cut at `max_bytes`.
std::string printable(std::string_view text, std::size_t max_bytes = 100);

// The same in double quotes.
std::string in_quotes(std::string_view text);

// Throws Error(kCorruptFile) "<path>: <problem>" with the hint that the file is damaged.
[[noreturn]] void throw_corrupt(const std::filesystem::path& path, const std::string& problem);

}  // namespace quiver
