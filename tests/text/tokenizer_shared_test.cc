#include <gtest/gtest.h>

#include <sstream>

#include "core/files.h"
#include "quiver/tokenizer.h"
#include "support/test_support.h"

namespace quiver {
namespace {

// Texts separated by lines that hold the marker.
std::vector<std::string> read_texts(const std::filesystem::path& path) {
  const std::string marker = "\n__ggml_vocab_test__\n";
  const std::string content = read_file(path, 1 << 20);
  std::vector<std::string> texts;
  std::size_t begin = 0;
  for (std::size_t end; (end = content.find(marker, begin)) != std::string::npos;
       begin = end + marker.size()) {
    texts.push_back(content.substr(begin, end - begin));
  }
  return texts;
}

TEST(TokenizerShared, Gpt2GivesTheIdsOfLlamaCppsTestFile) {
  QUIVER_REQUIRE_SHARED(model, "gpt2-tokenizer");
  QUIVER_REQUIRE_SHARED(golden, "tokenizer-golden");
  const auto tokenizer = Tokenizer::from_file(model / "tokenizer.json");
  EXPECT_EQ(tokenizer->size(), 50257);
  const std::vector<std::string> texts = read_texts(golden / "ggml-vocab-gpt-2.gguf.inp");
  std::istringstream lines(read_file(golden / "ggml-vocab-gpt-2.gguf.out", 1 << 20));
  std::size_t compared = 0;
  for (std::string line; std::getline(lines, line); ++compared) {
    ASSERT_LT(compared, texts.size());
    std::istringstream numbers(line);
    std::vector<std::int32_t> expected;
    for (std::int32_t id; numbers >> id;) expected.push_back(id);
    const Encoding encoding = tokenizer->encode(texts[compared]);
    EXPECT_EQ(encoding.ids, expected) << "text " << compared << ": " << texts[compared];
    EXPECT_EQ(tokenizer->decode(encoding.ids), texts[compared]);
  }
  EXPECT_EQ(compared, texts.size());
  EXPECT_GT(compared, 40u);
}

TEST(TokenizerShared, Gpt2sVocabularyFilesGiveTheIdsOfItsTokenizerJson) {
  QUIVER_REQUIRE_SHARED(model, "gpt2-tokenizer");
  QUIVER_REQUIRE_SHARED(golden, "tokenizer-golden");
  const test::ScratchDirectory scratch;
  for (const char* name : {"vocab.json", "merges.txt", "config.json"})
    std::filesystem::copy(model / name, scratch / name);
  const auto ours = Tokenizer::from_file(scratch / "tokenizer.json");
  const auto expected = Tokenizer::from_file(model / "tokenizer.json");
  EXPECT_EQ(ours->size(), expected->size());
  const std::vector<std::string> texts = read_texts(golden / "ggml-vocab-gpt-2.gguf.inp");
  EXPECT_GT(texts.size(), 40u);
  for (const std::string& text : texts) {
    const std::string joined = text + "<|endoftext|>" + text;
    EXPECT_EQ(ours->encode(joined).ids, expected->encode(joined).ids) << text;
  }
}

}  // namespace
}  // namespace quiver
