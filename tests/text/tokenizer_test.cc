#include "quiver/tokenizer.h"

#include <gtest/gtest.h>

#include <thread>

#include "tokenizer_file.h"

namespace quiver {
namespace {

using Ids = std::vector<std::int32_t>;
using Spans = std::vector<TextSpan>;

TEST(Tokenizer, MergesByRank) {
  const auto tokenizer = test::tokenizer_from(test::byte_tokenizer());
  const Encoding encoding = tokenizer->encode("hello he");
  EXPECT_EQ(encoding.ids, (Ids{257, 'l', 'o', ' ', 256}));
  EXPECT_EQ(encoding.spans, (Spans{{0, 3}, {3, 4}, {4, 5}, {5, 6}, {6, 8}}));
  EXPECT_TRUE(tokenizer->encode("").ids.empty());
}

TEST(Tokenizer, LooksTokensUp) {
  const auto tokenizer = test::tokenizer_from(test::byte_tokenizer());
  EXPECT_EQ(tokenizer->size(), 259);
  EXPECT_EQ(tokenizer->token_id("<end>"), 258);
  EXPECT_EQ(tokenizer->token_id("Ġ"), 32);
  EXPECT_EQ(tokenizer->token_id("nowhere"), std::nullopt);
  EXPECT_EQ(tokenizer->token_text(257), "hel");
  EXPECT_EQ(tokenizer->token_text(32), "Ġ");
  EXPECT_EQ(tokenizer->token_text(-1), "");
  EXPECT_EQ(tokenizer->token_text(1000), "");
}

TEST(Tokenizer, DecodesBytesAndSkipsSpecialTokens) {
  const auto tokenizer = test::tokenizer_from(test::byte_tokenizer());
  const Ids ids = {257, 258, 0xF0, 0x9F, 100000, -1};
  EXPECT_EQ(tokenizer->decode(ids), "hel<end>\xF0\x9F");
  EXPECT_EQ(tokenizer->decode(ids, SpecialTokens::kSkip), "hel\xF0\x9F");
}

TEST(Tokenizer, AddedTokensStayLettersWhereTextIsPlain) {
  const auto tokenizer = test::tokenizer_from(test::byte_tokenizer());
  const std::string text =
      "<end>\xFF<end>l<end>";  // the broken byte becomes three, places stay those of `text`
  const Ids broken = {0xEF, 0xBF, 0xBD};
  const auto joined = [](std::initializer_list<Ids> parts) {
    Ids all;
    for (const Ids& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
  };
  const Ids letters = {'<', 'e', 'n', 'd', '>'};
  EXPECT_EQ(tokenizer->encode(text).ids, joined({{258}, broken, {258, 'l', 258}}));
  EXPECT_EQ(tokenizer->encode(text, Spans{{6, 11}}).ids, joined({{258}, broken, letters, {'l', 258}}));
  EXPECT_EQ(tokenizer->encode(text, Spans{{4, 7}}).ids, joined({letters, broken, letters, {'l', 258}}));
  EXPECT_EQ(tokenizer->encode(text, Spans{{5, 6}, {11, 12}}).ids, tokenizer->encode(text).ids);
  const Encoding added = tokenizer->added_tokens(text);
  EXPECT_EQ(added.ids, (Ids{258, 258, 258}));
  EXPECT_EQ(added.spans, (Spans{{0, 5}, {6, 11}, {12, 17}}));
}

TEST(Tokenizer, EveryByteSurvives) {
  const auto tokenizer = test::tokenizer_from(test::byte_tokenizer());
  Ids ids(256);
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) {
    ids[static_cast<std::size_t>(byte)] = byte;
    bytes += static_cast<char>(byte);
  }
  EXPECT_EQ(tokenizer->decode(ids), bytes);
}

// Expected parts: Python's bytes.decode("utf-8", errors="replace").
TEST(Tokenizer, ReplacesBrokenBytesAndKeepsTheirPlaces) {
  const auto tokenizer = test::tokenizer_from(test::byte_tokenizer());
  const auto replaced = [&](const std::string& text) {
    return tokenizer->decode(tokenizer->encode(text).ids);
  };
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(replaced("a\xFF"
                     "b"),
            "a" + mark + "b");
  EXPECT_EQ(replaced("\xE2\x82"), mark);                               // cut short
  EXPECT_EQ(replaced("\xF0\x9F\x98 x"), mark + " x");                  // one maximal part
  EXPECT_EQ(replaced("\xED\xA0\x80"), mark + mark + mark);             // a surrogate
  EXPECT_EQ(replaced("\xC0\x80"), mark + mark);                        // overlong
  EXPECT_EQ(replaced("\xF4\x90\x80\x80"), mark + mark + mark + mark);  // above U+10FFFF

  const Encoding encoding = tokenizer->encode("a\xE2\x82he");
  EXPECT_EQ(encoding.ids, (Ids{'a', 0xEF, 0xBF, 0xBD, 256}));
  EXPECT_EQ(encoding.spans, (Spans{{0, 1}, {1, 3}, {1, 3}, {1, 3}, {3, 5}}));
}

TEST(Tokenizer, SpansOfNormalizedTextCoverWhatWasRewritten) {
  Json file = test::byte_tokenizer();
  file["normalizer"] = {{"type", "NFC"}};
  const auto tokenizer = test::tokenizer_from(file);
  const Encoding encoding = tokenizer->encode("<end>ae\xCC\x81h");  // e and a combining acute
  EXPECT_EQ(encoding.ids, (Ids{258, 'a', 0xC3, 0xA9, 'h'}));
  EXPECT_EQ(encoding.spans, (Spans{{0, 5}, {5, 6}, {6, 9}, {6, 9}, {9, 10}}));
}

TEST(Tokenizer, PrefixSpaceHasAnEmptySpan) {
  Json file = test::byte_tokenizer();
  file["pre_tokenizer"]["add_prefix_space"] = true;
  const Encoding encoding = test::tokenizer_from(file)->encode("he<end>h");
  EXPECT_EQ(encoding.ids, (Ids{' ', 256, 258, ' ', 'h'}));
  EXPECT_EQ(encoding.spans, (Spans{{0, 0}, {0, 2}, {2, 7}, {7, 7}, {7, 8}}));
}

TEST(Tokenizer, LongRunsAreNotQuadratic) {
  Json file = test::byte_tokenizer();
  file["model"]["vocab"]["aa"] = 300;
  file["model"]["vocab"]["aaaa"] = 301;
  file["model"]["merges"] = {"a a", "aa aa"};
  const auto tokenizer = test::tokenizer_from(file);
  const Encoding encoding = tokenizer->encode(std::string(1'000'001, 'a'));
  ASSERT_EQ(encoding.ids.size(), 250'001u);
  EXPECT_EQ(encoding.ids.front(), 301);
  EXPECT_EQ(encoding.ids.back(), 'a');
  EXPECT_EQ(encoding.spans.back(), (TextSpan{1'000'000, 1'000'001}));
  EXPECT_EQ(tokenizer->encode(std::string(1'000'000, ' ')).ids.size(), 1'000'000u);
}

TEST(Tokenizer, ServesManyThreads) {
  const auto tokenizer = test::tokenizer_from(test::byte_tokenizer());
  const Ids expected = tokenizer->encode("hello hello <end> he").ids;
  std::vector<Ids> results(8);
  std::vector<std::thread> threads;
  for (Ids& result : results) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) result = tokenizer->encode("hello hello <end> he").ids;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Ids& result : results) EXPECT_EQ(result, expected);
}

}  // namespace
}  // namespace quiver
