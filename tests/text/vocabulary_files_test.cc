#include <gtest/gtest.h>

#include "tokenizer_file.h"

namespace quiver {
namespace {

class VocabularyFiles : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& content) {
    write_file_atomic(scratch_ / name, content);
  }
  void write_gpt2() {
    Json vocabulary = test::byte_tokenizer()["model"]["vocab"];
    vocabulary["<|endoftext|>"] = 258;
    write("vocab.json", vocabulary.dump());
    write("merges.txt", "#version: 0.2\nh e\r\nhe l\n\n");
  }
  std::shared_ptr<const Tokenizer> load() { return Tokenizer::from_file(scratch_ / "tokenizer.json"); }
  std::string refusal() {
    return test::error_message([&] { load(); });
  }

  test::ScratchDirectory scratch_;
};

TEST_F(VocabularyFiles, OfAGpt2AreRead) {
  write_gpt2();
  write("config.json", R"({"model_type": "gpt_neo"})");
  EXPECT_EQ(load()->encode("hello<|endoftext|>h").ids, (std::vector<std::int32_t>{257, 'l', 'o', 258, 'h'}));
  EXPECT_EQ(load()->decode(std::vector<std::int32_t>{257, 258}, SpecialTokens::kSkip), "hel");
  write("tokenizer_config.json", R"({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": true})");
  EXPECT_EQ(load()->encode("h").ids, (std::vector<std::int32_t>{' ', 'h'}));
}

TEST_F(VocabularyFiles, OfOtherModelsAreRefusedWithTheWayOut) {
  EXPECT_NE(refusal().find("tokenizer.json"), std::string::npos);
  write("tokenizer.model", "x");
  const std::string hint =
      " | write it with Python: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)";
  const std::string start = scratch_.path().string() + ": there is no tokenizer.json, and ";
  EXPECT_EQ(refusal(), start + "tokenizer.model cannot be read" + hint);
  write_gpt2();
  EXPECT_EQ(refusal(), start + "vocab.json and merges.txt are not known as a GPT-2's" + hint);
  write("config.json", R"({"model_type": "qwen2"})");
  EXPECT_EQ(refusal(), start + "vocab.json and merges.txt are not known as a GPT-2's" + hint);
  write("tokenizer_config.json", R"({"tokenizer_class": "GPT2TokenizerFast"})");
  write("added_tokens.json", "{}");
  EXPECT_EQ(refusal(), start + "added_tokens.json cannot be read" + hint);
}

TEST_F(VocabularyFiles, MayBeCorrupt) {
  write("config.json", R"({"model_type": "gpt2"})");
  write("vocab.json", "[]");
  write("merges.txt", "");
  EXPECT_EQ(refusal(), scratch_.path().string() + ": the model's 'vocab' holds no tokens");
  write_gpt2();
  write("merges.txt", "h e l\n");
  EXPECT_EQ(refusal(), scratch_.path().string() + ": merge 'h e l' is not two tokens");
}

}  // namespace
}  // namespace quiver
