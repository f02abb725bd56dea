#include "hostile/parquet_rows.h"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/writer.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/check.h"

namespace quiver::test {
namespace {

std::shared_ptr<arrow::Array> texts(const std::vector<std::string>& values) {
  arrow::StringBuilder builder;
  QUIVER_CHECK(builder.AppendValues(values).ok(), "out of memory");
  return builder.Finish().ValueOrDie();
}

bool write_table(const std::filesystem::path& path) {
  const auto schema =
      arrow::schema({arrow::field("source", arrow::utf8()), arrow::field("target", arrow::utf8()),
                     arrow::field("task_name", arrow::utf8()), arrow::field("split", arrow::utf8())});
  const auto table = arrow::Table::Make(
      schema, {texts({"1 + 1 =", "2 + 2 =", "3 + 3 =", "red?", "blue?", "green?"}),
               texts({"2", "4", "6", "a", "b", "c"}), texts({"sum", "sum", "sum", "name", "name", "name"}),
               texts({"train", "train", "test", "train", "train", "test"})});
  const auto file = arrow::io::FileOutputStream::Open(path.string()).ValueOrDie();
  return parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), file, 3).ok() && file->Close().ok();
}

}  // namespace

void write_parquet_rows(const std::filesystem::path& path) {
  const pid_t child = ::fork();
  QUIVER_CHECK(child >= 0, "fork failed");
  if (child == 0) ::_exit(write_table(path) ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  QUIVER_CHECK(status == 0, "the rows could not be written");
}

}  // namespace quiver::test
