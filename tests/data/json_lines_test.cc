#include "data/json_lines.h"

#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

std::vector<std::string> read(const std::filesystem::path& path) {
  std::vector<std::string> rows;
  for_each_json_line(path, [&](const Json& row, const std::string& where) {
    rows.push_back(where.substr(where.rfind(':')) + row.dump());
  });
  return rows;
}

TEST(JsonLines, VisitsLinesWithTheirNumbers) {
  const test::ScratchDirectory scratch;
  write_file_atomic(scratch / "a.jsonl", "{\"a\": 1}\r\n\n  \n{\"b\": \"\\n\"}");
  EXPECT_EQ(read(scratch / "a.jsonl"), (std::vector<std::string>{":1{\"a\":1}", ":4{\"b\":\"\\n\"}"}));
}

TEST(JsonLines, NamesTheBrokenLine) {
  const test::ScratchDirectory scratch;
  const std::filesystem::path path = scratch / "a.jsonl";
  write_file_atomic(path, "{}\n{\"a\": \n");
  EXPECT_EQ(error_message([&] { read(path); }).find(path.string() + ":2: not valid JSON"), 0u);
  write_file_atomic(path, "{}\n{}\n[1]\n");
  EXPECT_EQ(error_message([&] { read(path); }), path.string() + ":3: must be a JSON object, is array");
  write_file_atomic(path, "{\"a\": \"\xff\"}\n");
  EXPECT_EQ(error_message([&] { read(path); }).find(path.string() + ":1: not valid JSON"), 0u);
}

TEST(JsonLines, LimitsALine) {
  const test::ScratchDirectory scratch;
  write_file_atomic(scratch / "a.jsonl", std::string((64 << 20) + 1, ' '));
  EXPECT_EQ(error_message([&] { read(scratch / "a.jsonl"); }),
            (scratch / "a.jsonl").string() + ":1: the line is longer than 64 MiB");
}

TEST(JsonLines, ReportsAMissingFile) {
  const test::ScratchDirectory scratch;
  EXPECT_EQ(error_message([&] { read(scratch / "none"); }),
            "file '" + (scratch / "none").string() + "' not found");
}

}  // namespace
}  // namespace quiver
