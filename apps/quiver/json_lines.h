#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"

namespace quiver::program {

// One JSON object a line; empty lines are passed over. Throws Error(kNotFound, kIo), and Error(kCorruptFile)
// naming the line for anything else.
std::vector<Json> read_json_lines(const std::filesystem::path& path);

// The text at `key` of line `line` (counted from 1). Throws Error(kCorruptFile) when it is absent or no text.
std::string require_text(const Json& object, const std::string& key, const std::string& path,
                         std::size_t line);

// Throws Error(kIo) where `path` cannot be written, before there is something to write; stdout when empty.
void check_output(const std::string& path);

// Writes text to a file, or to stdout when `path` is empty. Throws Error(kIo).
void write_output(const std::string& path, const std::string& text);

}  // namespace quiver::program
