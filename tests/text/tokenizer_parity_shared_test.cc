#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "reference_folder.h"
#include "text/utf8.h"

// What tests/parity/compare_tokenizers.py wrote; skipped where $QUIVER_PARITY_DATA is not set.
namespace quiver {
namespace {

std::string readable(const std::string& text) { return dump_json(Json(text)).substr(0, 300); }

void print(const std::string& name, const test::Comparison& result) {
  std::cout << name << ": " << result.texts << " texts (" << result.unread << " without a reference), "
            << result.tokens << " tokens; ids differ in " << result.different_ids.size()
            << ", decoded text in " << result.different_texts.size()
            << " (byte tokens that form no character in " << result.broken_texts << " more), spans in "
            << result.different_spans.size() << "; spans " << result.equal_spans << " equal, "
            << result.added_spans << " of added spaces, " << result.coarser_spans << " coarser, "
            << result.finer_spans << " finer\n";
  for (const auto* texts : {&result.different_ids, &result.different_texts, &result.different_spans}) {
    for (std::size_t i = 0; i < std::min<std::size_t>(texts->size(), 5); ++i)
      std::cout << "    " << readable((*texts)[i]) << "\n";
  }
}

TEST(TokenizerParity, Texts) {
  const char* folder = std::getenv("QUIVER_PARITY_DATA");
  if (folder == nullptr) GTEST_SKIP() << "QUIVER_PARITY_DATA is not set";
  const test::ReferenceFolder reference(std::filesystem::path(folder) / "texts");
  EXPECT_GE(reference.size(), 10'000u);
  EXPECT_GE(reference.names().size(), 30u);
  for (const std::string& name : reference.names()) {
    const test::Comparison result = reference.compare(name);
    print(name, result);
    EXPECT_EQ(result.texts, reference.size());
    EXPECT_TRUE(result.different_ids.empty()) << name;
    EXPECT_TRUE(result.different_texts.empty()) << name;
    if (!test::ReferenceFolder::shifts_spans(name)) {
      EXPECT_TRUE(result.different_spans.empty()) << name;
    }
  }
}

// Each character alone and between others. NFKC and Lowercase of unigram_bytes differ for characters that
// came after Unicode 9 (the reference's normalization) or 15 (our lower case): 189 of them, which are
// printed.
TEST(TokenizerParity, EveryCharacter) {
  const char* folder = std::getenv("QUIVER_PARITY_DATA");
  if (folder == nullptr) GTEST_SKIP() << "QUIVER_PARITY_DATA is not set";
  const test::ReferenceFolder reference(std::filesystem::path(folder) / "characters");
  EXPECT_GE(reference.size(), 70'000u);
  for (const std::string& name : reference.names()) {
    const test::Comparison result = reference.compare(name);
    print(name, result);
    EXPECT_EQ(result.different_ids.size(), name == "unigram_bytes" ? 189u : 0u) << name;
    for (const std::string& text : result.different_ids)
      std::cout << (&text == result.different_ids.data() ? "    all: " : " ") << std::hex
                << static_cast<std::uint32_t>(utf8_step(text, 1).code_point) << std::dec;
    if (!result.different_ids.empty()) std::cout << "\n";
  }
}

}  // namespace
}  // namespace quiver
