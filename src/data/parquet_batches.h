#pragma once

#include <arrow/api.h>
#include <parquet/schema.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace quiver {

// The leaves (Parquet counts those, not columns) to read of a file with this schema.
using LeafSelector =
    std::function<std::vector<int>(const arrow::Schema& schema, const parquet::SchemaDescriptor& leaves)>;
// A batch whose arrays were checked in full, and the position of its first row in the file.
using BatchVisitor = std::function<void(const arrow::RecordBatch& batch, std::int64_t first_row)>;

// Visits a Parquet file some thousand rows at a time. Throws Error(kCorruptFile) naming the file for anything
// that Arrow refuses.
void for_each_parquet_batch(const std::filesystem::path& file, const LeafSelector& select,
                            const BatchVisitor& visit);

// The position of a column in the schema, or nothing. Throws Error(kCorruptFile) where several have the name.
std::optional<int> find_column(const arrow::Schema& schema, const std::string& name,
                               const std::filesystem::path& file);

// Throws Error(kCorruptFile) naming the file.
[[noreturn]] void throw_corrupt_parquet(const std::filesystem::path& file, const std::string& reason);

}  // namespace quiver
