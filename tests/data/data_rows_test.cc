#include "data/data_rows.h"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/writer.h>

#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

class DataRows : public testing::Test {
 protected:
  void write(const std::string& name, const std::shared_ptr<arrow::DataType>& type,
             const std::shared_ptr<arrow::Array>& column) {
    write({arrow::field(name, type)}, {column});
  }

  void write(const arrow::FieldVector& fields, const std::vector<std::shared_ptr<arrow::Array>>& columns) {
    const auto table = arrow::Table::Make(arrow::schema(fields), columns);
    const auto file = arrow::io::FileOutputStream::Open(path_.string()).ValueOrDie();
    ASSERT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), file).ok());
    ASSERT_TRUE(file->Close().ok());
  }

  std::vector<Json> rows(const RowFields& fields = {{"choices", "label", "image"}, {}}) {
    std::vector<Json> result;
    for_each_data_row(path_, fields, [&](const Json& row, const std::string&) { result.push_back(row); });
    return result;
  }

  test::ScratchDirectory scratch_;
  std::filesystem::path path_ = scratch_ / "rows.parquet";
};

// ARC's `choices`: a struct of two lists.
TEST_F(DataRows, ReadsStructsOfLists) {
  auto texts = std::make_shared<arrow::StringBuilder>(), labels = std::make_shared<arrow::StringBuilder>();
  arrow::ListBuilder text_lists(arrow::default_memory_pool(), texts);
  arrow::ListBuilder label_lists(arrow::default_memory_pool(), labels);
  for (const int count : {2, 0, 3}) {
    ASSERT_TRUE(text_lists.Append().ok() && label_lists.Append().ok());
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(texts->Append("choice " + std::to_string(i)).ok());
      ASSERT_TRUE(labels->Append(std::string(1, "ABC"[i])).ok());
    }
  }
  const auto column =
      arrow::StructArray::Make({text_lists.Finish().ValueOrDie(), label_lists.Finish().ValueOrDie()},
                               std::vector<std::string>{"text", "label"})
          .ValueOrDie();
  write("choices", column->type(), column);
  const std::vector<Json> read = rows();
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read[0].at("choices"), Json({{"text", {"choice 0", "choice 1"}}, {"label", {"A", "B"}}}));
  EXPECT_EQ(read[1].at("choices").at("text"), Json::array());
  EXPECT_EQ(read[2].at("choices").at("label"), Json({"A", "B", "C"}));
}

TEST_F(DataRows, ReadsNumbersTruthAndNull) {
  arrow::Int64Builder numbers;
  ASSERT_TRUE(numbers.AppendValues({-1, std::int64_t{1} << 60}).ok() && numbers.AppendNull().ok());
  write("label", arrow::int64(), numbers.Finish().ValueOrDie());
  EXPECT_EQ(rows(),
            (std::vector<Json>{{{"label", -1}}, {{"label", std::int64_t{1} << 60}}, {{"label", nullptr}}}));
  arrow::BooleanBuilder truths;
  ASSERT_TRUE(truths.AppendValues(std::vector<bool>{true, false}).ok());
  write("label", arrow::boolean(), truths.Finish().ValueOrDie());
  EXPECT_EQ(rows(), (std::vector<Json>{{{"label", true}}, {{"label", false}}}));
}

TEST_F(DataRows, NamesAColumnThatJsonHasNoPlaceFor) {
  arrow::BinaryBuilder bytes;
  ASSERT_TRUE(bytes.Append("\xff").ok());
  write("image", arrow::binary(), bytes.Finish().ValueOrDie());
  EXPECT_EQ(error_message([&] { rows(); }),
            "'" + path_.string() + "' row 1: column 'image': its type binary is not read");
}

// One null of any type that Parquet keeps.
std::shared_ptr<arrow::Array> null_of(const std::shared_ptr<arrow::DataType>& type) {
  return arrow::MakeArrayOfNull(type, 1).ValueOrDie();
}

TEST_F(DataRows, ColumnsThatNobodyAskedForMayBeOfAnyType) {
  const std::vector<std::shared_ptr<arrow::DataType>> types = {
      arrow::binary(),
      arrow::fixed_size_binary(4),
      arrow::timestamp(arrow::TimeUnit::MICRO),
      arrow::date32(),
      arrow::time64(arrow::TimeUnit::MICRO),
      arrow::decimal128(3, 2),
      arrow::float16(),
      arrow::null(),
      arrow::map(arrow::utf8(), arrow::int32()),
      arrow::struct_({arrow::field("bytes", arrow::binary()), arrow::field("path", arrow::utf8())}),
      arrow::list(arrow::list(arrow::timestamp(arrow::TimeUnit::MILLI)))};
  arrow::Int64Builder numbers;
  ASSERT_TRUE(numbers.Append(7).ok());
  const auto label = numbers.Finish().ValueOrDie();
  for (const auto& type : types) {
    SCOPED_TRACE(type->ToString());
    // Before and after the field, and an `id` that is no name.
    write({arrow::field("x", type), arrow::field("label", arrow::int64()), arrow::field("y", type),
           arrow::field("y", type), arrow::field("id", type)},
          {null_of(type), label, null_of(type), null_of(type), null_of(type)});
    const std::vector<Json> read = rows({{"label"}, {"id"}});
    ASSERT_EQ(read.size(), 1u);
    EXPECT_EQ(read[0].at("label"), 7);
    EXPECT_EQ(read[0].at("x"), nullptr);
    EXPECT_EQ(read[0].at("id"), nullptr);
  }
  write({arrow::field("label", arrow::int64()), arrow::field("label", arrow::int64())}, {label, label});
  EXPECT_EQ(error_message([&] {
              rows({{"label.x"}, {}});
            }),
            "'" + path_.string() + "': column 'label' is there 2 times: label, label");
}

// A path into a struct, or into a list of them, reads no more than that part.
TEST_F(DataRows, PartsThatNobodyAskedForMayBeOfAnyTypeToo) {
  auto texts = std::make_shared<arrow::StringBuilder>();
  auto times = std::make_shared<arrow::TimestampBuilder>(arrow::timestamp(arrow::TimeUnit::MICRO),
                                                         arrow::default_memory_pool());
  const auto type = arrow::struct_(
      {arrow::field("text", arrow::utf8()), arrow::field("when", arrow::timestamp(arrow::TimeUnit::MICRO))});
  auto parts = std::make_shared<arrow::StructBuilder>(
      type, arrow::default_memory_pool(), std::vector<std::shared_ptr<arrow::ArrayBuilder>>{texts, times});
  arrow::ListBuilder lists(arrow::default_memory_pool(), parts, arrow::list(type));
  ASSERT_TRUE(lists.Append().ok());
  for (const char* text : {"yes", "no"})
    ASSERT_TRUE(parts->Append().ok() && texts->Append(text).ok() && times->Append(5).ok());
  const auto column = lists.Finish().ValueOrDie();
  write("choices", column->type(), column);
  const Json expected = {{{"text", "yes"}}, {{"text", "no"}}};
  EXPECT_EQ(rows({{"choices.1.text"}, {}}).at(0).at("choices"), expected);
  EXPECT_NE(error_message([&] {
              rows({{"choices.0"}, {}});
            }).find("its type timestamp[us] is not read"),
            std::string::npos);
}

TEST_F(DataRows, RefusesWhatIsNoDataFile) {
  write_file_atomic(path_, "PAR1 no more");
  EXPECT_NE(error_message([&] { rows(); }).find("not a valid Parquet file"), std::string::npos);
  path_ = scratch_ / "rows.csv";
  EXPECT_EQ(error_message([&] { rows(); }), "data file '" + path_.string() +
                                                "' has an unknown extension | known are .parquet, .jsonl and "
                                                ".json (JSON lines)");
  path_ = scratch_ / "none.parquet";
  EXPECT_EQ(error_message([&] { rows(); }), "file '" + path_.string() + "' not found");
}

}  // namespace
}  // namespace quiver
