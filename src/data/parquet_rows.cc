#include <array>

#include "core/strings.h"
#include "data/example_rows.h"
#include "data/parquet_batches.h"
#include "quiver/error.h"

namespace quiver {
namespace {

enum Column { kSource, kTarget, kTaskName, kSplit, kTaskSource, kTemplateType, kColumnCount };
constexpr const char* kColumnNames[kColumnCount] = {"source", "target",      "task_name",
                                                    "split",  "task_source", "template_type"};

bool is_text(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::NA:  // a column in which every value is null
      return true;
    case arrow::Type::DICTIONARY:
      return is_text(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return false;
  }
}

// The text at a row; empty for null. The array is one of the types of is_text.
std::optional<std::string_view> text_at(const arrow::Array& array, std::int64_t row) {
  if (array.IsNull(row)) return std::nullopt;
  switch (array.type_id()) {
    case arrow::Type::STRING:
      return static_cast<const arrow::StringArray&>(array).GetView(row);
    case arrow::Type::LARGE_STRING:
      return static_cast<const arrow::LargeStringArray&>(array).GetView(row);
    case arrow::Type::STRING_VIEW:
      return static_cast<const arrow::StringViewArray&>(array).GetView(row);
    default: {
      const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
      return text_at(*encoded.dictionary(), encoded.GetValueIndex(row));
    }
  }
}

// Position of every wanted column in the schema, -1 where it is absent and may be.
std::array<int, kColumnCount> find_columns(const arrow::Schema& schema, SplitColumn split,
                                           const std::filesystem::path& file) {
  std::array<int, kColumnCount> positions;
  for (int column = 0; column < kColumnCount; ++column) {
    const std::string name = kColumnNames[column];
    positions[column] = find_column(schema, name, file).value_or(-1);
    const bool required = column < kSplit || (column == kSplit && split == SplitColumn::kRequired);
    if (positions[column] < 0 && required) {
      throw_corrupt_parquet(file,
                            "column '" + name + "' is missing; present: " + join(schema.field_names(), ", "));
    }
    if (positions[column] < 0) continue;
    const arrow::DataType& type = *schema.field(positions[column])->type();
    if (!is_text(type))
      throw_corrupt_parquet(file, "column '" + name + "' must be text, is " + type.ToString());
  }
  return positions;
}

class BatchRows {
 public:
  BatchRows(const arrow::RecordBatch& batch, std::int64_t first_row, const std::filesystem::path& file)
      : file_(file), first_row_(first_row) {
    for (int column = 0; column < kColumnCount; ++column) {
      columns_[column] = batch.GetColumnByName(kColumnNames[column]);
    }
  }

  ExampleRow row(std::int64_t index) const {
    ExampleRow result;
    result.example = {text(kSource, index), text(kTarget, index), text(kTaskName, index),
                      optional_text(kTaskSource, index), optional_text(kTemplateType, index)};
    if (columns_[kSplit]) result.split = parse_split(text(kSplit, index), where(index));
    return result;
  }

 private:
  std::string where(std::int64_t index) const {
    return "'" + file_.string() + "' row " + std::to_string(first_row_ + index + 1);
  }

  std::string text(Column column, std::int64_t index) const {
    const std::optional<std::string_view> value = text_at(*columns_[column], index);
    if (!value) {
      throw Error(ErrorKind::kCorruptFile,
                  where(index) + ": column '" + std::string(kColumnNames[column]) + "' is null");
    }
    return std::string(*value);
  }

  std::string optional_text(Column column, std::int64_t index) const {
    if (!columns_[column]) return "";
    return std::string(text_at(*columns_[column], index).value_or(""));
  }

  const std::filesystem::path& file_;
  std::int64_t first_row_;
  std::array<std::shared_ptr<arrow::Array>, kColumnCount> columns_;
};

}  // namespace

void visit_parquet_rows(const std::filesystem::path& file, SplitColumn split, const ExampleVisitor& visit) {
  const auto select = [&](const arrow::Schema& schema, const parquet::SchemaDescriptor& leaves) {
    const std::array<int, kColumnCount> positions = find_columns(schema, split, file);
    std::vector<int> wanted;
    for (int column = 0; column < kColumnCount; ++column) {
      if (positions[column] >= 0) wanted.push_back(leaves.ColumnIndex(kColumnNames[column]));
    }
    return wanted;
  };
  for_each_parquet_batch(file, select, [&](const arrow::RecordBatch& batch, std::int64_t first_row) {
    const BatchRows rows(batch, first_row, file);
    for (std::int64_t index = 0; index < batch.num_rows(); ++index) visit(rows.row(index));
  });
}

}  // namespace quiver
