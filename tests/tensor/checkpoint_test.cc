#include "tensor/checkpoint.h"

#include "support/test_support.h"
#include "tensor/byte_builder.h"

namespace quiver {
namespace {

using test::error_message;

class CheckpointTest : public testing::Test {
 protected:
  void write_index(const std::string& json) {
    test::write_bytes(scratch_ / "model.safetensors.index.json", json);
  }
  std::string problem() {
    const std::string message = error_message([&] { Checkpoint::open(scratch_.path()); });
    return message.substr(0, message.find(" | "));
  }
  std::string index_path() const { return (scratch_ / "model.safetensors.index.json").string(); }

  test::ScratchDirectory scratch_;
};

TEST_F(CheckpointTest, OneFile) {
  write_safetensors(scratch_ / "model.safetensors", {{"a", at::ones({2})}, {"b", at::zeros({1})}});
  const Checkpoint checkpoint = Checkpoint::open(scratch_.path());
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(at::equal(checkpoint.read("a"), at::ones({2})));
}

TEST_F(CheckpointTest, Shards) {
  write_safetensors(scratch_ / "model-1.safetensors", {{"a", at::ones({2})}, {"c", at::full({1}, 3.0)}});
  write_safetensors(scratch_ / "model-2.safetensors", {{"b", at::zeros({1})}});
  write_index(R"({"metadata": {"total_size": 16}, "weight_map": {"a": "model-1.safetensors",
                 "b": "model-2.safetensors", "c": "model-1.safetensors"}})");
  const Checkpoint checkpoint = Checkpoint::open(scratch_.path());
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(checkpoint.contains("b"));
  EXPECT_EQ(checkpoint.read("c").item<float>(), 3.0F);
  EXPECT_EQ(error_message([&] { checkpoint.read("d"); }).find(scratch_.path().string() + ": no tensor \"d\""),
            0U);
}

TEST_F(CheckpointTest, NeitherFileNorIndex) {
  const std::string folder = scratch_.path().string();
  EXPECT_EQ(problem(),
            std::string("'") + folder + "' has neither model.safetensors nor model.safetensors.index.json");
}

TEST_F(CheckpointTest, AnIndexCannotReachOutsideTheDirectory) {
  for (const std::string shard : {"../x", "/x", "a/b", "", ".", ".."}) {
    write_index(R"({"weight_map": {"a": ")" + shard + R"("}})");
    EXPECT_EQ(problem(),
              index_path() + ": the shard \"" + shard + "\" of tensor \"a\" is not a plain file name");
  }
  for (const std::string control : {"\\n", "\\u001b"}) {
    write_index(R"({"weight_map": {"a": "x)" + control + R"(y"}})");
    EXPECT_EQ(problem(),
              index_path() + ": the shard \"x" + control + "y\" of tensor \"a\" is not a plain file name");
  }
  write_index(R"({"weight_map": {"a": "x\u0000y"}})");
  EXPECT_EQ(problem(), index_path() + ": the shard \"x\\u0000y\" of tensor \"a\" is not a plain file name");
}

TEST_F(CheckpointTest, IndexThatContradictsItsShards) {
  write_safetensors(scratch_ / "s", {{"a", at::ones({2})}});
  write_index(R"({"weight_map": {"b": "s"}})");
  EXPECT_EQ(problem(), index_path() + ": tensor \"b\" is not in its shard \"s\"");
  write_index(R"({"weight_map": {"b": "absent"}})");
  EXPECT_EQ(problem(), std::string("no such file: '") + (scratch_ / "absent").string() + "'");
  write_index(R"({"weight_map": {"b": 1}})");
  EXPECT_EQ(problem(), index_path() + ": the shard of tensor \"b\" is not a text");
  write_index(R"({"weight_map": []})");
  EXPECT_EQ(problem(), index_path() + ": 'weight_map' is not an object");
  write_index("{}");
  EXPECT_EQ(problem(), index_path() + ": 'weight_map' is missing");
}

}  // namespace
}  // namespace quiver
