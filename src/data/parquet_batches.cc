#include "data/parquet_batches.h"

#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>

#include <numeric>

#include "core/strings.h"
#include "quiver/error.h"

namespace quiver {
namespace {

// Rows decoded at once: a few megabytes of prompts.
constexpr std::int64_t kBatchRows = 2048;

void check(const arrow::Status& status, const std::filesystem::path& file) {
  if (!status.ok()) throw_corrupt_parquet(file, "not a valid Parquet file: " + status.message());
}

template <typename T>
T check(arrow::Result<T> result, const std::filesystem::path& file) {
  check(result.status(), file);
  return std::move(result).ValueUnsafe();
}

void visit_file(const std::filesystem::path& file, const LeafSelector& select, const BatchVisitor& visit) {
  parquet::ArrowReaderProperties properties;
  properties.set_batch_size(kBatchRows);
  properties.set_pre_buffer(false);
  parquet::arrow::FileReaderBuilder builder;
  check(builder.OpenFile(file.string()), file);
  builder.properties(properties);
  const std::unique_ptr<parquet::arrow::FileReader> reader = check(builder.Build(), file);

  std::shared_ptr<arrow::Schema> schema;
  check(reader->GetSchema(&schema), file);
  const auto metadata = reader->parquet_reader()->metadata();
  const std::vector<int> leaves = select(*schema, *metadata->schema());
  std::vector<int> row_groups(static_cast<std::size_t>(metadata->num_row_groups()));
  std::iota(row_groups.begin(), row_groups.end(), 0);

  const auto batches = check(reader->GetRecordBatchReader(row_groups, leaves), file);
  std::int64_t first_row = 0;
  while (true) {
    const std::shared_ptr<arrow::RecordBatch> batch = check(batches->Next(), file);
    if (!batch) return;
    check(batch->ValidateFull(), file);  // a file's own dictionary indices are not to be trusted
    visit(*batch, first_row);
    first_row += batch->num_rows();
  }
}

}  // namespace

void throw_corrupt_parquet(const std::filesystem::path& file, const std::string& reason) {
  std::string line = join(split_list(reason, '\n'), "; ");  // Arrow's reasons may have several lines
  throw Error(ErrorKind::kCorruptFile, "'" + file.string() + "': " + escape_controls(line));
}

std::optional<int> find_column(const arrow::Schema& schema, const std::string& name,
                               const std::filesystem::path& file) {
  const std::vector<int> found = schema.GetAllFieldIndices(name);
  if (found.empty()) return std::nullopt;
  if (found.size() > 1) {
    throw_corrupt_parquet(file, "column '" + name + "' is there " + std::to_string(found.size()) +
                                    " times: " + join(schema.field_names(), ", "));
  }
  return found.front();
}

void for_each_parquet_batch(const std::filesystem::path& file, const LeafSelector& select,
                            const BatchVisitor& visit) {
  try {
    visit_file(file, select, visit);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {  // parquet::ParquetException escapes where Arrow does not catch it
    throw_corrupt_parquet(file, std::string("not a valid Parquet file: ") + e.what());
  }
}

}  // namespace quiver
