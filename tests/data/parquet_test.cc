#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/writer.h>

#include <fstream>

#include "quiver/dataset.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using Arrays = std::vector<std::shared_ptr<arrow::Array>>;
using Cells = std::vector<const char*>;  // nullptr: null

template <typename Builder>
std::shared_ptr<arrow::Array> array_of(const Cells& cells) {
  Builder builder;
  for (const char* cell : cells) {
    EXPECT_TRUE((cell == nullptr ? builder.AppendNull() : builder.Append(cell)).ok());
  }
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Array> text(const Cells& cells) { return array_of<arrow::StringBuilder>(cells); }
std::shared_ptr<arrow::Array> large_text(const Cells& cells) {
  return array_of<arrow::LargeStringBuilder>(cells);
}
std::shared_ptr<arrow::Array> dictionary(const Cells& cells) {
  return array_of<arrow::StringDictionaryBuilder>(cells);
}

std::shared_ptr<arrow::Array> numbers(const std::vector<std::int64_t>& values) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Array> lists(const std::vector<std::int64_t>& values) {
  arrow::ListBuilder builder(arrow::default_memory_pool(), std::make_shared<arrow::Int64Builder>());
  for (const std::int64_t value : values) {
    EXPECT_TRUE(builder.Append().ok());
    EXPECT_TRUE(static_cast<arrow::Int64Builder*>(builder.value_builder())->Append(value).ok());
  }
  return builder.Finish().ValueOrDie();
}

class Parquet : public testing::Test {
 protected:
  // Row groups of two rows, so that every test with more crosses a border.
  void write(const std::vector<std::string>& names, const Arrays& columns) {
    arrow::FieldVector fields;
    for (std::size_t i = 0; i < names.size(); ++i)
      fields.push_back(arrow::field(names[i], columns[i]->type()));
    const auto table = arrow::Table::Make(arrow::schema(fields), columns);
    const auto file = arrow::io::FileOutputStream::Open(path_.string()).ValueOrDie();
    const auto arrow_properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
    const auto status = parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), file, 2,
                                                   parquet::default_writer_properties(), arrow_properties);
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_TRUE(file->Close().ok());
  }

  TaskDataset load() { return TaskDataset::load({.path = path_.string()}); }
  // The message without the file's name.
  std::string failure() {
    const std::string message = error_message([&] { load(); });
    return message.substr(std::min(message.size(), path_.string().size() + 2));
  }

  test::ScratchDirectory scratch_;
  std::filesystem::path path_ = scratch_ / "rows.parquet";
};

TEST_F(Parquet, ReadsEveryKindOfTextColumnBesideOthers) {
  // A list column in front shifts Parquet's leaf numbers against the columns'.
  write({"scores", "template_type", "source", "target", "task_name", "split", "task_source", "length"},
        {lists({1, 2, 3}), text({"zs_opt", nullptr, "fs_opt"}), text({"s0", "s1", "s2"}),
         large_text({"t0", "", "t\xC3\xA9"}), dictionary({"a", "b", "a"}),
         dictionary({"train", "test", "train"}), text({"P3", "CoT", nullptr}), numbers({1, 2, 3})});
  const TaskDataset dataset = load();
  const std::vector<Example>& train = dataset.examples(Split::kTrain);
  ASSERT_EQ(train.size(), 2u);
  EXPECT_EQ(train[0].source, "s0");
  EXPECT_EQ(train[0].target, "t0");
  EXPECT_EQ(train[0].task_name, "a");
  EXPECT_EQ(train[1].target, "t\xC3\xA9");
  EXPECT_EQ(train[1].task_source, "");
  ASSERT_EQ(dataset.examples(Split::kTest).size(), 1u);
  EXPECT_EQ(dataset.examples(Split::kTest)[0].target, "");
  EXPECT_EQ(dataset.examples(Split::kTest)[0].template_type, "");
}

TEST_F(Parquet, NamesAMissingColumnAndThosePresent) {
  write({"source", "target", "task"}, {text({"s"}), text({"t"}), text({"a"})});
  EXPECT_EQ(failure(), ": column 'task_name' is missing; present: source, target, task");
  write({"source", "target", "task_name"}, {text({"s"}), text({"t"}), text({"a"})});
  EXPECT_EQ(failure(), ": column 'split' is missing; present: source, target, task_name");
  EXPECT_EQ(read_examples(path_).size(), 1u);
}

TEST_F(Parquet, NamesAColumnThatIsThereTwice) {
  write({"source", "source", "target", "task_name", "split"},
        {text({"s"}), text({"s"}), text({"t"}), text({"a"}), text({"train"})});
  EXPECT_EQ(failure(), ": column 'source' is there 2 times: source, source, target, task_name, split");
  write({"source", "note", "note", "target", "task_name", "split"},
        {text({"s"}), text({"x"}), numbers({1}), text({"t"}), text({"a"}), text({"train"})});
  EXPECT_EQ(load().examples(Split::kTrain).size(), 1u) << "nobody asked for it";
}

// pandas and pyarrow write a column without a value with the type null.
TEST_F(Parquet, AColumnOfTypeNullIsAColumnOfNulls) {
  const auto nulls = std::make_shared<arrow::NullArray>(2);
  write({"source", "target", "task_name", "split", "task_source", "template_type"},
        {text({"s", "s"}), text({"t", "t"}), text({"a", "a"}), text({"train", "train"}), nulls, nulls});
  ASSERT_EQ(load().examples(Split::kTrain).size(), 2u);
  EXPECT_EQ(load().examples(Split::kTrain)[1].task_source, "");
  write({"source", "target", "task_name", "split"},
        {nulls, text({"t", "t"}), text({"a", "a"}), text({"train", "train"})});
  EXPECT_EQ(failure(), " row 1: column 'source' is null");
}

TEST_F(Parquet, NamesAColumnOfTheWrongType) {
  write({"source", "target", "task_name", "split"},
        {text({"s"}), numbers({1}), text({"a"}), text({"train"})});
  EXPECT_EQ(failure(), ": column 'target' must be text, is int64");
}

TEST_F(Parquet, NamesTheRowOfABadCell) {
  write({"source", "target", "task_name", "split"},
        {text({"s", "s", nullptr}), text({"t", "t", "t"}), text({"a", "a", "a"}),
         text({"train", "train", "train"})});
  EXPECT_EQ(failure(), " row 3: column 'source' is null");
  write({"source", "target", "task_name", "split"}, {text({"s"}), text({"t"}), text({"a"}), text({"half"})});
  EXPECT_EQ(failure(), " row 1: unknown split 'half' | splits are train, validation (valid, dev) and test");
}

TEST_F(Parquet, RefusesWhatIsNoParquet) {
  for (const std::string& content : {std::string(), std::string("PAR1"), std::string(500, 'x')}) {
    write_file_atomic(path_, content);
    EXPECT_EQ(failure().find(": not a valid Parquet file: "), 0u) << content.size();
  }
}

// A cut file gives an Error, one with a damaged byte rows or an Error, and nothing else happens.
TEST_F(Parquet, SurvivesTruncationAndDamage) {
  write({"source", "target", "task_name", "split"},
        {text({"source text", "s", "s"}), large_text({"t", "t", "t"}), dictionary({"a", "b", "a"}),
         text({"train", "train", "train"})});
  const std::string whole = read_file(path_, 1 << 20);
  const auto try_load = [&](const std::string& content) {
    std::ofstream(path_, std::ios::binary) << content;  // no fsync: this runs thousands of times
    try {
      load();
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  for (std::size_t size = 0; size < whole.size(); size += 37)
    EXPECT_FALSE(try_load(whole.substr(0, size))) << size;
  for (std::size_t position = 0; position < whole.size(); position += 7) {
    std::string damaged = whole;
    damaged[position] = static_cast<char>(damaged[position] ^ 0x55);
    try_load(damaged);
  }
  EXPECT_TRUE(try_load(whole));
}

}  // namespace
}  // namespace quiver
