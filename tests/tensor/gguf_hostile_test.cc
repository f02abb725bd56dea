#include "tensor/gguf.h"
#include "tensor/gguf_builder.h"
#include "tensor/hostile_file.h"

namespace quiver {
namespace {

using test::ByteBuilder;
using test::gguf_bytes;
using test::gguf_tensor;
using test::gguf_value;

constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kQ4_1 = 3;

std::string problem(const std::string& bytes) {
  return test::file_problem(bytes, [](const auto& path) { GgufFile::open(path); });
}

std::string value_problem(const std::string& value) { return problem(gguf_bytes({value}, {}, 0)); }

std::string tensor_problem(const test::GgufTensorText& tensor, std::size_t data) {
  return problem(gguf_bytes({}, {gguf_tensor(tensor)}, data));
}

TEST(GgufHostileTest, EveryTruncationIsRefused) {
  const std::string array = ByteBuilder().text("a").u32(9).u32(8).u64(2).text("b").text("c").bytes();
  const std::string bytes =
      gguf_bytes({gguf_value("f", 6, 1.0F), array, test::gguf_text("t", "text")},
                 {gguf_tensor({"x", {32, 2}, kQ4_1, 0}), gguf_tensor({"y", {2}, kF32, 64})}, 72);
  EXPECT_EQ(problem(bytes), "");
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_NE(problem(bytes.substr(0, length)), "") << length;
  }
  EXPECT_EQ(problem(""), "not a GGUF file: it does not begin with 'GGUF'");
  EXPECT_EQ(problem(bytes.substr(0, 6)),
            "the version at byte 4 needs 4 bytes, beyond the end of the file, 6 bytes");
  EXPECT_EQ(problem(bytes.substr(0, 8)),
            "the number of tensors at byte 8 needs 8 bytes, beyond the end of the file, 8 bytes");
  EXPECT_EQ(problem(bytes.substr(0, 16)), "2 tensors do not fit in the file of 16 bytes");
  EXPECT_EQ(problem(bytes.substr(0, bytes.size() - 1)),
            "tensor \"y\" needs 8 bytes at offset 64, beyond the 71 bytes of data");
}

TEST(GgufHostileTest, MagicAndVersion) {
  EXPECT_EQ(problem(ByteBuilder().raw("GGML").u32(3).u64(0).u64(0).bytes()),
            "not a GGUF file: it does not begin with 'GGUF'");
  EXPECT_EQ(problem(ByteBuilder().raw("GGUF").u32(1).u64(0).u64(0).bytes()), "GGUF version 1 cannot be read");
  EXPECT_EQ(problem(ByteBuilder().raw("GGUF").u32(4).u64(0).u64(0).bytes()), "GGUF version 4 cannot be read");
  EXPECT_EQ(problem(ByteBuilder().raw("GGUF").u32(0x03000000).u64(0).u64(0).bytes()),
            "big-endian GGUF files cannot be read");
}

TEST(GgufHostileTest, LyingCounts) {
  EXPECT_EQ(problem(ByteBuilder().raw("GGUF").u32(3).u64(~0ull).u64(0).bytes()),
            "18446744073709551615 tensors do not fit in the file of 24 bytes");
  EXPECT_EQ(problem(ByteBuilder().raw("GGUF").u32(3).u64(0).u64(1ull << 61).bytes()),
            "2305843009213693952 metadata values do not fit in the file of 24 bytes");
  EXPECT_EQ(problem(ByteBuilder().raw("GGUF").u32(3).u64(0).u64(1).zeros(12).bytes()),
            "1 metadata values do not fit in the file of 36 bytes");
}

TEST(GgufHostileTest, LyingStringLengths) {
  EXPECT_EQ(
      value_problem(ByteBuilder().u64(~0ull).raw("key").zeros(20).bytes()),
      "a metadata key at byte 32 needs 18446744073709551615 bytes, beyond the end of the file, 64 bytes");
  EXPECT_EQ(value_problem(ByteBuilder().text("k").u32(8).u64(1000).zeros(20).bytes()),
            "metadata value \"k\" at byte 45 needs 1000 bytes, beyond the end of the file, 96 bytes");
  EXPECT_EQ(value_problem(ByteBuilder().text("").u32(0).zeros(20).bytes()),
            "a metadata key at byte 32 has 0 bytes; it must have 1 to 65535");
  EXPECT_EQ(value_problem(gguf_value<std::uint8_t>(std::string(65536, 'k'), 0, 1)),
            "a metadata key at byte 65568 has 65536 bytes; it must have 1 to 65535");
}

TEST(GgufHostileTest, LyingArrays) {
  // 11 bytes of values and 4 of padding follow the count.
  const auto array = [](std::uint32_t type, std::uint64_t count) {
    return ByteBuilder().text("k").u32(9).u32(type).u64(count).zeros(11).bytes();
  };
  EXPECT_EQ(value_problem(array(4, 1ull << 62)),
            "metadata value \"k\": 4611686018427387904 x uint32 do not fit in the remaining 15 bytes");
  EXPECT_EQ(value_problem(array(8, ~0ull)),
            "metadata value \"k\": 18446744073709551615 x string do not fit in the remaining 15 bytes");
  EXPECT_EQ(value_problem(array(0, 16)),
            "metadata value \"k\": 16 x uint8 do not fit in the remaining 15 bytes");
  EXPECT_EQ(value_problem(array(9, 1)), "metadata value \"k\" is an array of arrays");
  EXPECT_EQ(value_problem(array(13, 1)), "metadata value \"k\" has the unknown value type 13");
}

TEST(GgufHostileTest, MetadataValues) {
  EXPECT_EQ(value_problem(gguf_value<std::uint32_t>("k", 77, 0)),
            "metadata value \"k\" has the unknown value type 77");
  EXPECT_EQ(value_problem(gguf_value<std::uint8_t>("k", 7, 2)),
            "metadata value \"k\" has a bool other than 0 and 1");
  EXPECT_EQ(problem(gguf_bytes({gguf_value("k", 6, 1.0F), gguf_value("k", 6, 2.0F)}, {}, 0)),
            "the metadata key \"k\" appears twice");
  EXPECT_EQ(value_problem(gguf_value(std::string_view("a\0b", 3), 6, 1.0F)),
            "a metadata key \"a\\u0000b\" contains NUL");
  EXPECT_EQ(value_problem(gguf_value<std::uint32_t>("general.alignment", 4, 0)),
            "\"general.alignment\" is 0, not a power of two");
  EXPECT_EQ(value_problem(gguf_value<std::uint32_t>("general.alignment", 4, 24)),
            "\"general.alignment\" is 24, not a power of two");
  EXPECT_EQ(value_problem(gguf_value<std::uint8_t>("general.alignment", 0, 32)),
            "\"general.alignment\" is uint8, not uint32");
}

TEST(GgufHostileTest, TensorDescriptions) {
  EXPECT_EQ(tensor_problem({"t", {1, 1, 1, 1, 1}, kF32, 0}, 4),
            "tensor \"t\" has 5 dimensions; the most is 4");
  EXPECT_EQ(tensor_problem({"t", {1ull << 32, 1ull << 32}, kF32, 0}, 4),
            "tensor \"t\" has the impossible shape [4294967296, 4294967296]");
  EXPECT_EQ(tensor_problem({"t", {1ull << 62}, kF32, 0}, 4),
            "tensor \"t\" has the impossible shape [4611686018427387904]");
  EXPECT_EQ(tensor_problem({"t", {1ull << 63}, kF32, 0}, 4),
            "tensor \"t\" has the impossible shape [-9223372036854775808]");
  EXPECT_EQ(tensor_problem({"t", {33}, kQ4_1, 0}, 60),
            "tensor \"t\": rows of 33 values are not whole Q4_1 blocks of 32");
  EXPECT_EQ(tensor_problem({"t", {}, kQ4_1, 0}, 60),
            "tensor \"t\": rows of 1 values are not whole Q4_1 blocks of 32");
  EXPECT_EQ(tensor_problem({std::string("a\0b", 3), {1}, kF32, 0}, 4),
            "a tensor name \"a\\u0000b\" contains NUL");
  EXPECT_EQ(
      problem(gguf_bytes({}, {gguf_tensor({"t", {8}, kF32, 0}), gguf_tensor({"t", {8}, kF32, 32})}, 64)),
      "tensor \"t\" appears twice");
}

TEST(GgufHostileTest, TensorOffsets) {
  const auto two = [](std::uint64_t first, std::uint64_t second) {
    return problem(
        gguf_bytes({}, {gguf_tensor({"a", {9}, kF32, first}), gguf_tensor({"b", {8}, kF32, second})}, 128));
  };
  EXPECT_EQ(two(0, 64), "");
  EXPECT_EQ(two(0, 65), "tensor \"b\" has offset 65, not a multiple of the alignment 32");
  EXPECT_EQ(two(0, 32), "tensor \"b\" has offset 32 where 64 follows from the tensors before it");
  EXPECT_EQ(two(0, 96), "tensor \"b\" has offset 96 where 64 follows from the tensors before it");
  EXPECT_EQ(two(64, 0), "tensor \"a\" has offset 64 where 0 follows from the tensors before it");
  EXPECT_EQ(tensor_problem({"t", {9}, kF32, 0}, 32),
            "tensor \"t\" needs 36 bytes at offset 0, beyond the 32 bytes of data");
  const std::uint64_t last = ~0ull - 31;  // adding the data section's start would wrap around
  EXPECT_EQ(
      problem(gguf_bytes({}, {gguf_tensor({"a", {8}, 99, 0}), gguf_tensor({"b", {8}, kF32, last})}, 64)),
      "tensor \"b\" needs 32 bytes at offset 18446744073709551584, beyond the 64 bytes of data");
  EXPECT_EQ(problem(gguf_bytes({}, {gguf_tensor({"a", {8}, 99, 32})}, 32)),
            "tensor \"a\" has offset 32 where 0 follows from the tensors before it");
}

}  // namespace
}  // namespace quiver
