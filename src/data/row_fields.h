#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "data/parquet_batches.h"

namespace quiver {

// What is read of a file's rows: all else may be of any type.
struct RowFields {
  std::set<std::string> paths;        // "question", "choices.text", "choices.0"
  std::set<std::string> plain_names;  // columns that count only as texts, numbers or truth values: "id"
};

// The leaves of a Parquet file with these fields in them. Throws Error(kCorruptFile) where two columns have a
// name that is asked for.
std::vector<int> leaves_of(const RowFields& fields, const arrow::Schema& schema,
                           const parquet::SchemaDescriptor& leaves, const std::filesystem::path& file);

}  // namespace quiver
