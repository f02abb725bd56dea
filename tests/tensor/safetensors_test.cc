#include "tensor/safetensors.h"

#include <thread>

#include "support/test_support.h"
#include "tensor/byte_builder.h"

namespace quiver {
namespace {

using test::error_message;
using test::ScratchDirectory;

TEST(SafetensorsTest, ReadsBackWhatWasWritten) {
  const ScratchDirectory scratch;
  const std::map<std::string, at::Tensor> tensors = {
      {"a", at::arange(6, at::kFloat).view({2, 3})},
      {"b", at::arange(4, at::kLong)},
      {"half", at::ones({3}, at::kHalf)},
      {"none", at::zeros({0, 5}, at::kBFloat16)},
      {"scalar", at::scalar_tensor(2.5, at::kDouble)},
      {"truth", at::tensor({1, 0, 1}).to(at::kBool)},
  };
  write_safetensors(scratch / "x.safetensors", tensors, {{"format", "pt"}, {"text", "\"ü\"\n"}});
  const SafetensorsFile file = SafetensorsFile::open(scratch / "x.safetensors");
  EXPECT_EQ(file.names(), (std::vector<std::string>{"a", "b", "half", "none", "scalar", "truth"}));
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}, {"text", "\"ü\"\n"}}));
  EXPECT_TRUE(file.contains("a"));
  EXPECT_FALSE(file.contains("A"));
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(file.shape(name), tensor.sizes().vec()) << name;
    EXPECT_EQ(file.dtype(name), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(file.read(name), tensor)) << name;
  }
}

TEST(SafetensorsTest, AReadTensorOutlivesTheFile) {
  const ScratchDirectory scratch;
  write_safetensors(scratch / "x", {{"a", at::ones({4})}});
  at::Tensor tensor = SafetensorsFile::open(scratch / "x").read("a");
  tensor.add_(1);  // the caller owns it
  EXPECT_TRUE(at::equal(tensor, at::full({4}, 2.0)));
  EXPECT_TRUE(at::equal(SafetensorsFile::open(scratch / "x").read("a"), at::ones({4})));
}

TEST(SafetensorsTest, WritesStridedTensorsInRowOrder) {
  const ScratchDirectory scratch;
  const at::Tensor transposed = at::arange(6).view({2, 3}).t();
  write_safetensors(scratch / "x", {{"a", transposed}});
  EXPECT_TRUE(at::equal(SafetensorsFile::open(scratch / "x").read("a"), transposed));
}

TEST(SafetensorsTest, PadsTheHeaderToEightBytes) {
  const ScratchDirectory scratch;
  write_safetensors(scratch / "x", {{"a", at::ones({1})}});
  const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  )";
  EXPECT_EQ(read_file(scratch / "x", 1000), test::ByteBuilder().u64(56).raw(header).number(1.0F).bytes());
}

TEST(SafetensorsTest, WritesAnEmptyFile) {
  const ScratchDirectory scratch;
  write_safetensors(scratch / "x", {}, {{"a", "b"}});
  EXPECT_TRUE(SafetensorsFile::open(scratch / "x").names().empty());
  EXPECT_EQ(SafetensorsFile::open(scratch / "x").metadata().at("a"), "b");
}

TEST(SafetensorsTest, ReadsFromManyThreads) {
  const ScratchDirectory scratch;
  write_safetensors(scratch / "x", {{"a", at::arange(1000)}, {"b", at::ones({10})}});
  const SafetensorsFile file = SafetensorsFile::open(scratch / "x");
  std::vector<std::thread> threads;
  std::atomic<int> equal = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) equal += at::equal(file.read("a"), at::arange(1000));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(equal, 200);
}

TEST(SafetensorsTest, NamesAMissingTensorAndFile) {
  const ScratchDirectory scratch;
  write_safetensors(scratch / "x", {{"weight", at::ones({1})}});
  const SafetensorsFile file = SafetensorsFile::open(scratch / "x");
  EXPECT_EQ(error_message([&] { file.read("weigth"); }),
            (scratch / "x").string() + ": no tensor \"weigth\" | did you mean 'weight'?");
  EXPECT_THROW(SafetensorsFile::open(scratch / "absent"), Error);
  EXPECT_EQ(error_message([&] { SafetensorsFile::open(scratch.path()); }),
            "cannot read '" + scratch.path().string() + "': it is not a regular file");
}

TEST(SafetensorsTest, RefusesToWriteWhatCannotBeReadBack) {
  const ScratchDirectory scratch;
  const auto message = [&](const std::string& name, const at::Tensor& tensor) {
    return error_message([&] { write_safetensors(scratch / "x", {{name, tensor}}); });
  };
  const at::Tensor one = at::ones({1});
  EXPECT_EQ(message("__metadata__", one), "\"__metadata__\" cannot be the name of a tensor");
  EXPECT_EQ(message(std::string("a\0b", 3), one), "\"a\\u0000b\" cannot be the name of a tensor");
  EXPECT_EQ(message("a\xff", one), "\"a\xEF\xBF\xBD\" is not valid UTF-8 and cannot be stored");
  EXPECT_EQ(message("a", at::ones({1}, at::kComplexFloat)),
            "tensors of type ComplexFloat cannot be stored | convert the tensor to float32 first");
  EXPECT_FALSE(std::filesystem::exists(scratch / "x"));
}

}  // namespace
}  // namespace quiver
