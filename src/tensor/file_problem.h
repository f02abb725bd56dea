#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace quiver {

// Text from a file made fit for a message: in double quotes, control characters escaped, cut at 100 bytes.
std::string in_quotes(std::string_view text);

// Throws Error(kCorruptFile) "<path>: <problem>" with the hint that the file is damaged.
[[noreturn]] void throw_corrupt(const std::filesystem::path& path, const std::string& problem);

}  // namespace quiver
