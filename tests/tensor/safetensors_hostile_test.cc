#include "tensor/byte_builder.h"
#include "tensor/hostile_file.h"
#include "tensor/safetensors.h"

namespace quiver {
namespace {

using test::ByteBuilder;
using test::safetensors_bytes;

std::string problem(const std::string& bytes) {
  return test::file_problem(bytes, [](const auto& path) { SafetensorsFile::open(path); });
}

// The same for a header and so many zero bytes of data.
std::string header_problem(const std::string& header, std::size_t data = 0) {
  return problem(safetensors_bytes(header, data));
}

// For a header with one tensor "t".
std::string tensor_problem(const std::string& fields, std::size_t data) {
  return header_problem(R"({"t":{)" + fields + "}}", data);
}

constexpr const char* kValid = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";

TEST(SafetensorsHostileTest, TheValidFileOpens) { EXPECT_EQ(tensor_problem(kValid, 8), ""); }

TEST(SafetensorsHostileTest, EveryTruncationIsRefused) {
  const std::string bytes = safetensors_bytes(std::string(R"({"t":{)") + kValid + "}}", 8);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_NE(problem(bytes.substr(0, length)), "") << length;
  }
  EXPECT_EQ(problem(""), "not a safetensors file: 0 bytes are too few for the header length");
  EXPECT_EQ(problem(bytes.substr(0, 7)), "not a safetensors file: 7 bytes are too few for the header length");
  EXPECT_EQ(problem(bytes.substr(0, 8)), "the header of 54 bytes does not fit in the file of 8 bytes");
  EXPECT_EQ(problem(bytes.substr(0, bytes.size() - 1)),
            "tensor \"t\" has data_offsets [0, 8] beyond the 7 bytes of data");
}

TEST(SafetensorsHostileTest, LyingHeaderLengths) {
  EXPECT_EQ(problem(ByteBuilder().u64(~0ull).raw("{}").bytes()),
            "not a safetensors file: a header of 18446744073709551615 bytes is over the limit of 100000000");
  EXPECT_EQ(problem(ByteBuilder().u64(100'000'001).raw("{}").bytes()),
            "not a safetensors file: a header of 100000001 bytes is over the limit of 100000000");
  EXPECT_EQ(problem(ByteBuilder().u64(3).raw("{}").bytes()),
            "the header of 3 bytes does not fit in the file of 10 bytes");
  EXPECT_EQ(problem(ByteBuilder().u64(1).raw("{}").bytes()), "the header is not valid JSON at byte 2");
  EXPECT_EQ(header_problem(""), "the header is not valid JSON at byte 1");
}

TEST(SafetensorsHostileTest, HeadersThatAreNotWhatTheyShouldBe) {
  EXPECT_EQ(header_problem("[]"), "the header is a list where an object belongs");
  EXPECT_EQ(header_problem("null"), "the header is null where an object belongs");
  EXPECT_EQ(header_problem(std::string(1000, '[')), "the header is a list where an object belongs");
  EXPECT_EQ(header_problem("{}{}"), "the header is not valid JSON at byte 3");
  EXPECT_EQ(header_problem(R"({"t":[]})"), "the header has a list where it does not belong, at \"t\"");
  EXPECT_EQ(header_problem(R"({"t":null})"), "the header has null where it does not belong, at \"t\"");
  EXPECT_EQ(header_problem("{\"t\xff\":{}}"), "the header is not valid JSON at byte 4");
  EXPECT_EQ(header_problem(R"({"__metadata__":{"a":1}})"),
            "the header has a number where it does not belong, at \"__metadata__\"");
  EXPECT_EQ(header_problem(R"({"__metadata__":null})"), "");
}

TEST(SafetensorsHostileTest, DuplicateKeys) {
  EXPECT_EQ(header_problem(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"t":{}})"),
            "the name \"t\" appears twice");
  EXPECT_EQ(header_problem(R"({"__metadata__":{},"__metadata__":{}})"),
            "the name \"__metadata__\" appears twice");
  EXPECT_EQ(header_problem(R"({"__metadata__":{"a":"1","a":"1"}})"), "the metadata key \"a\" appears twice");
  EXPECT_EQ(tensor_problem(R"("dtype":"U8","dtype":"U8")", 0),
            "the field \"dtype\" of tensor \"t\" appears twice");
}

TEST(SafetensorsHostileTest, NamesWithNul) {
  EXPECT_EQ(header_problem(R"({"a\u0000b":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})"),
            "the tensor name \"a\\u0000b\" contains NUL");
}

TEST(SafetensorsHostileTest, FieldsOfATensor) {
  EXPECT_EQ(tensor_problem("", 0), "tensor \"t\" lacks one of dtype, shape and data_offsets");
  EXPECT_EQ(tensor_problem(R"("dtype":"U8","shape":[0])", 0),
            "tensor \"t\" lacks one of dtype, shape and data_offsets");
  EXPECT_EQ(tensor_problem(R"("strides":[1])", 0), "tensor \"t\" has the unknown field \"strides\"");
  EXPECT_EQ(tensor_problem(R"("dtype":["U8"])", 0),
            "the header has a list where it does not belong, at \"t\"");
  EXPECT_EQ(tensor_problem(R"("dtype":"F8_E8M0","shape":[0],"data_offsets":[0,0])", 0),
            "tensor \"t\" has the unsupported element type \"F8_E8M0\"");
  EXPECT_EQ(tensor_problem(R"("shape":7)", 0), "the header has a number where it does not belong, at \"t\"");
  EXPECT_EQ(tensor_problem(R"("shape":[-1])", 0),
            "the header has a negative number where it does not belong, at \"t\"");
  EXPECT_EQ(tensor_problem(R"("shape":[1.0])", 0),
            "the header has a number that is not a whole number where it does not belong, at \"t\"");
  EXPECT_EQ(tensor_problem(R"("shape":[[1]])", 0),
            "the header has a list where it does not belong, at \"t\"");
  EXPECT_EQ(tensor_problem(R"("data_offsets":[0])", 0), "data_offsets of tensor \"t\" are not two numbers");
  EXPECT_EQ(tensor_problem(R"("data_offsets":[0,1,2])", 0),
            "the header has a number where it does not belong, at \"t\"");
}

TEST(SafetensorsHostileTest, ShapesWhoseProductsOverflow) {
  EXPECT_EQ(tensor_problem(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])", 0),
            "tensor \"t\" has the impossible shape [4294967296, 4294967296]");
  // 2^61 values of 8 bytes: the product of the dimensions fits, the bytes would wrap around to 0.
  EXPECT_EQ(tensor_problem(R"("dtype":"I64","shape":[2305843009213693952],"data_offsets":[0,0])", 0),
            "tensor \"t\" has the impossible shape [2305843009213693952]");
  // A zero does not excuse the others: strides are computed from them.
  EXPECT_EQ(tensor_problem(R"("dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0])", 0),
            "tensor \"t\" has the impossible shape [0, 4294967296, 4294967296]");
  EXPECT_EQ(tensor_problem(R"("dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,0])", 0),
            "dimension 18446744073709551615 of tensor \"t\" is too large");
  std::string ones = "1";
  for (int i = 0; i < 64; ++i) ones += ",1";
  EXPECT_EQ(tensor_problem(R"("shape":[)" + ones + "]", 0), "tensor \"t\" has more than 64 dimensions");
}

TEST(SafetensorsHostileTest, OffsetsThatDoNotFit) {
  EXPECT_EQ(tensor_problem(R"("dtype":"U8","shape":[1],"data_offsets":[1,0])", 1),
            "tensor \"t\" has the reversed data_offsets [1, 0]");
  EXPECT_EQ(tensor_problem(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])", 4),
            "tensor \"t\" has type F32 and shape [2], which take 8 bytes, but data_offsets [0, 4]");
  EXPECT_EQ(tensor_problem(R"("dtype":"U8","shape":[1],"data_offsets":[0,18446744073709551615])", 1),
            "tensor \"t\" has data_offsets [0, 18446744073709551615] beyond the 1 bytes of data");
  EXPECT_EQ(tensor_problem(R"("dtype":"U8","shape":[1],"data_offsets":[1,2])", 2),
            "tensor \"t\" begins at byte 1 and leaves a hole after byte 0");
  EXPECT_EQ(tensor_problem(kValid, 9), "the tensors end at byte 8 of 9 bytes of data");
  const std::string two = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                          R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})";
  EXPECT_EQ(header_problem(two, 6),
            "tensor \"b\" begins at byte 2 inside the previous tensor, which ends at byte 4");
}

TEST(SafetensorsHostileTest, BooleansOtherThanZeroAndOne) {
  const test::ScratchDirectory scratch;
  const std::string header = R"({"t":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})";
  test::write_bytes(scratch / "x", ByteBuilder().u64(header.size()).raw(header).raw("\2").bytes());
  const SafetensorsFile file = SafetensorsFile::open(scratch / "x");
  EXPECT_EQ(test::error_message([&] { file.read("t"); }),
            (scratch / "x").string() +
                ": boolean tensor \"t\" has a byte other than 0 and 1 | the file is "
                "damaged or was cut short; fetch or write it again");
}

}  // namespace
}  // namespace quiver
