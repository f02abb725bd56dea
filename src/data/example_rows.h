#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "quiver/dataset.h"

namespace quiver {

// One row as a file has it, before any filter.
struct ExampleRow {
  Example example;
  std::optional<Split> split;  // empty where the file has no such column
};
using ExampleVisitor = std::function<void(ExampleRow&&)>;

// Whether a file without a `split` column is an error. JSON lines are allowed to lack it in any case.
enum class SplitColumn { kRequired, kOptional };

// The data files that `path` stands for: itself, or those inside the folder. Throws Error(kNotFound), and
// Error(kInvalidArgument) for a folder that mixes formats, as its rows would most likely come twice.
std::vector<std::filesystem::path> find_data_files(const std::filesystem::path& path);

// Visits the rows of one file in order, by its extension. Throws as TaskDataset::load does.
void visit_rows(const std::filesystem::path& file, SplitColumn split, const ExampleVisitor& visit);

void visit_parquet_rows(const std::filesystem::path& file, SplitColumn split, const ExampleVisitor& visit);
void visit_json_rows(const std::filesystem::path& file, const ExampleVisitor& visit);

// train, validation (valid, dev) or test. Throws Error(kCorruptFile) with `where` for any other text.
Split parse_split(std::string_view text, const std::string& where);

}  // namespace quiver
