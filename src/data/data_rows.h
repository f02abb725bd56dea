#pragma once

#include <filesystem>
#include <functional>

#include "core/json.h"
#include "data/row_fields.h"

namespace quiver {

// Calls visit(row, where) for every row of a Parquet or JSON lines file; `where` names file and row for
// messages. Of a Parquet file only `fields` are read: texts, numbers, truth values, lists and structs become
// what JSON lines would hold, other columns null. Throws Error(kNotFound, kIo); Error(kUnsupported) for
// another extension and for a field of a type that JSON has no place for; Error(kCorruptFile).
void for_each_data_row(const std::filesystem::path& file, const RowFields& fields,
                       const std::function<void(const Json& row, const std::string& where)>& visit);

}  // namespace quiver
