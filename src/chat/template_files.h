#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace quiver {

// The templates that a base's files hold, by name; a single one is "default". Empty where there is none.
// Throws Error(kCorruptFile, kIo) naming the file.
std::map<std::string, std::string> read_chat_templates(const std::filesystem::path& base);

// A template's own file. Throws Error(kNotFound, kIo, kUnsupported).
std::string read_template_file(const std::filesystem::path& path);

}  // namespace quiver
