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
}

// Without a tokenizer.json add_bos_token and add_eos_token count, as in GPT2Tokenizer.
TEST_F(VocabularyFiles, SettingsBesideThemCount) {
  write_gpt2();
  write("tokenizer_config.json", R"({"tokenizer_class": "GPT2TokenizerFast", "add_bos_token": true})");
  write("added_tokens.json", R"({"<x>": 259})");
  EXPECT_EQ(load()->encode("h<x>").ids, (std::vector<std::int32_t>{'h', 259}));
  EXPECT_EQ(load()->frame().before, (std::vector<std::int32_t>{258}));
  EXPECT_TRUE(load()->frame().after.empty());
  write("tokenizer_config.json",
        R"({"tokenizer_class": "GPT2Tokenizer", "add_eos_token": true, "eos_token": "hel"})");
  EXPECT_EQ(load()->frame().after, (std::vector<std::int32_t>{257}));
  write("tokenizer_config.json",
        R"({"tokenizer_class": "GPT2Tokenizer", "add_bos_token": true, "bos_token": "<s>"})");
  EXPECT_EQ(refusal(), (scratch_ / "tokenizer_config.json").string() +
                           ": 'add_bos_token' is true, but vocab.json has no '<s>'");
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
