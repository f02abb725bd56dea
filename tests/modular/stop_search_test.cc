#include "modular/stop_search.h"

#include "support/golden.h"

namespace quiver {
namespace {

const Tokenizer& tokenizer() { return test::golden_base("tiny_llama")->tokenizer(); }

std::vector<std::int32_t> ids_of_text(const std::string& text) { return tokenizer().encode(text).ids; }

// Where the stop texts end the tokens, and the text before.
std::optional<std::pair<std::size_t, std::string>> search(const std::vector<std::int32_t>& ids,
                                                          const std::vector<std::string>& stops) {
  StopSearch stop_search(tokenizer(), stops);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (const auto place = stop_search.add(ids[i]))
      return std::pair(i + 1, text_before_stop(tokenizer(), std::span(ids).first(i + 1), *place));
  }
  return std::nullopt;
}

TEST(GrowingText, IsTheTextOfAllTokens) {
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 200; ++i) ids.push_back((i * 37 + i * i) % tokenizer().size());  // broken UTF-8 too
  GrowingText growing(tokenizer(), SpecialTokens::kKeep);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    growing.add(ids[i]);
    ASSERT_EQ(growing.text(), tokenizer().decode(std::span(ids).first(i + 1))) << i;
  }
}

TEST(StopSearch, FindsATextThatLiesAcrossTokens) {
  const std::string text = "The archer takes one arrow and one more";
  const std::vector<std::int32_t> ids = ids_of_text(text);
  for (std::size_t begin = 0; begin + 5 <= text.size(); ++begin) {
    const std::string stop = text.substr(begin, 5);
    const auto found = search(ids, {"nowhere", stop});
    ASSERT_TRUE(found) << stop;
    EXPECT_EQ(found->second, text.substr(0, text.find(stop)));
    // Not a token later than the text is complete.
    EXPECT_LT(tokenizer().decode(std::span(ids).first(found->first - 1)).size(), text.find(stop) + 5);
  }
  EXPECT_FALSE(search(ids, {"one  arrow"}));
  EXPECT_FALSE(search(ids, {}));
}

TEST(StopSearch, ReadsSpecialTokensAndLeavesThemOut) {
  std::vector<std::int32_t> ids = ids_of_text("an arrow");
  const std::size_t before = ids.size();
  ids.push_back(*tokenizer().token_id("<|endoftext|>"));
  for (const std::int32_t id : ids_of_text(" far")) ids.push_back(id);
  using Found = std::pair<std::size_t, std::string>;
  EXPECT_EQ(search(ids, {"<|endoftext|>"}), Found(before + 1, "an arrow"));
  EXPECT_EQ(search(ids, {"oftext"}), Found(before + 1, "an arrow"));  // part of it
  EXPECT_EQ(search(ids, {"row<|end"}), Found(before + 1, "an ar"));   // begins before it
  EXPECT_EQ(search(ids, {"text|> f"})->second, "an arrow");           // ends after it
  EXPECT_EQ(search(ids, {" far"})->second, "an arrow");               // follows it
  EXPECT_FALSE(search(ids, {"arrow far"}));                           // is torn by it
}

}  // namespace
}  // namespace quiver
