#pragma once

#include <filesystem>
#include <functional>

#include "core/json.h"

namespace quiver {

// Calls visit(row, where) for every row of a Parquet or JSON lines file, whatever its columns; `where` names
// file and row for messages. Parquet's texts, numbers, truth values, lists and structs become what JSON
// lines would hold. Throws Error(kNotFound, kIo); Error(kUnsupported) for another extension and for a column
// type that JSON has no place for; Error(kCorruptFile).
void for_each_data_row(const std::filesystem::path& file,
                       const std::function<void(const Json& row, const std::string& where)>& visit);

}  // namespace quiver
