#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>

#include "core/json.h"

namespace quiver {

// Calls visit(object, where) for every line of a JSON lines file; `where` is "file:line" for messages. Blank
// lines are passed over. Throws Error(kNotFound, kIo), and Error(kCorruptFile) with the line's number for
// broken JSON, anything but an object, and a line above 64 MiB.
void for_each_json_line(const std::filesystem::path& path,
                        const std::function<void(const Json&, const std::string& where)>& visit);

}  // namespace quiver
