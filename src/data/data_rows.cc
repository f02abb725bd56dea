#include "data/data_rows.h"

#include "data/json_lines.h"
#include "data/parquet_batches.h"

namespace quiver {
namespace {

constexpr int kMaxDepth = 16;  // of lists and structs in each other

Json value_at(const arrow::Array& array, std::int64_t row, int depth);

template <typename Array>
Json text_at(const arrow::Array& array, std::int64_t row) {
  return std::string(static_cast<const Array&>(array).GetView(row));
}

template <typename Array>
Json number_at(const arrow::Array& array, std::int64_t row) {
  return static_cast<const Array&>(array).Value(row);
}

template <typename Array>
Json list_at(const arrow::Array& array, std::int64_t row, int depth) {
  const auto& lists = static_cast<const Array&>(array);
  Json items = Json::array();
  for (std::int64_t i = 0; i < lists.value_length(row); ++i)
    items.push_back(value_at(*lists.values(), lists.value_offset(row) + i, depth + 1));
  return items;
}

Json struct_at(const arrow::Array& array, std::int64_t row, int depth) {
  const auto& fields = static_cast<const arrow::StructArray&>(array);
  Json object = Json::object();
  for (int i = 0; i < fields.num_fields(); ++i)
    object[fields.type()->field(i)->name()] = value_at(*fields.field(i), row, depth + 1);
  return object;
}

Json value_at(const arrow::Array& array, std::int64_t row, int depth) {
  if (array.IsNull(row)) return nullptr;
  if (depth > kMaxDepth) throw Error(ErrorKind::kUnsupported, "its type is nested too deeply");
  switch (array.type_id()) {
    case arrow::Type::STRING:
      return text_at<arrow::StringArray>(array, row);
    case arrow::Type::LARGE_STRING:
      return text_at<arrow::LargeStringArray>(array, row);
    case arrow::Type::STRING_VIEW:
      return text_at<arrow::StringViewArray>(array, row);
    case arrow::Type::BOOL:
      return number_at<arrow::BooleanArray>(array, row);
    case arrow::Type::INT8:
      return number_at<arrow::Int8Array>(array, row);
    case arrow::Type::INT16:
      return number_at<arrow::Int16Array>(array, row);
    case arrow::Type::INT32:
      return number_at<arrow::Int32Array>(array, row);
    case arrow::Type::INT64:
      return number_at<arrow::Int64Array>(array, row);
    case arrow::Type::UINT8:
      return number_at<arrow::UInt8Array>(array, row);
    case arrow::Type::UINT16:
      return number_at<arrow::UInt16Array>(array, row);
    case arrow::Type::UINT32:
      return number_at<arrow::UInt32Array>(array, row);
    case arrow::Type::UINT64:
      return number_at<arrow::UInt64Array>(array, row);
    case arrow::Type::FLOAT:
      return number_at<arrow::FloatArray>(array, row);
    case arrow::Type::DOUBLE:
      return number_at<arrow::DoubleArray>(array, row);
    case arrow::Type::LIST:
      return list_at<arrow::ListArray>(array, row, depth);
    case arrow::Type::LARGE_LIST:
      return list_at<arrow::LargeListArray>(array, row, depth);
    case arrow::Type::FIXED_SIZE_LIST:
      return list_at<arrow::FixedSizeListArray>(array, row, depth);
    case arrow::Type::STRUCT:
      return struct_at(array, row, depth);
    case arrow::Type::DICTIONARY: {
      const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
      return value_at(*encoded.dictionary(), encoded.GetValueIndex(row), depth + 1);
    }
    default:
      throw Error(ErrorKind::kUnsupported, "its type " + array.type()->ToString() + " is not read");
  }
}

// Columns that were not read stand in the row as null, so that messages can name them.
Json row_at(const arrow::RecordBatch& batch, std::int64_t row, const Json& unread, const std::string& where) {
  Json object = unread;
  for (int column = 0; column < batch.num_columns(); ++column) {
    try {
      object[batch.column_name(column)] = value_at(*batch.column(column), row, 0);
    } catch (const Error& error) {
      throw Error(error.kind(), where + ": column '" + batch.column_name(column) + "': " + error.what());
    }
  }
  return object;
}

}  // namespace

void for_each_data_row(const std::filesystem::path& file, const RowFields& fields,
                       const std::function<void(const Json& row, const std::string& where)>& visit) {
  const std::filesystem::path extension = file.extension();
  if (extension == ".jsonl" || extension == ".json") return for_each_json_line(file, visit);
  if (extension != ".parquet") {
    throw Error(ErrorKind::kUnsupported, "data file '" + file.string() + "' has an unknown extension",
                "known are .parquet, .jsonl and .json (JSON lines)");
  }
  if (!std::filesystem::is_regular_file(file))
    throw Error(ErrorKind::kNotFound, "file '" + file.string() + "' not found");
  Json unread = Json::object();
  const auto select = [&](const arrow::Schema& schema, const parquet::SchemaDescriptor& leaves) {
    for (const std::string& name : schema.field_names()) unread[name] = nullptr;
    return leaves_of(fields, schema, leaves, file);
  };
  for_each_parquet_batch(file, select, [&](const arrow::RecordBatch& batch, std::int64_t first_row) {
    for (std::int64_t i = 0; i < batch.num_rows(); ++i) {
      const std::string where = "'" + file.string() + "' row " + std::to_string(first_row + i + 1);
      visit(row_at(batch, i, unread, where), where);
    }
  });
}

}  // namespace quiver
