#include "text/byte_trie.h"

#include <gtest/gtest.h>

#include <string>

namespace quiver {
namespace {

// "length:value" of each entry that `text` begins with.
std::string prefixes(const ByteTrie& trie, std::string_view text) {
  std::string result;
  trie.for_each_prefix(text, [&](std::size_t length, std::int32_t value) {
    result += std::to_string(length) + ":" + std::to_string(value) + " ";
  });
  return result;
}

TEST(ByteTrie, FindsEveryPrefixShortestFirst) {
  const ByteTrie trie({{"abc", 1}, {"a", 2}, {"b", 3}, {"ab", 4}, {"\xFF\x80", 5}, {"a", 6}, {"", 7}});
  EXPECT_EQ(prefixes(trie, "abcd"), "1:2 2:4 3:1 ");
  EXPECT_EQ(prefixes(trie, "ab"), "1:2 2:4 ");
  EXPECT_EQ(prefixes(trie, "ba"), "1:3 ");
  EXPECT_EQ(prefixes(trie, "\xFF\x80\x80"), "2:5 ");
  EXPECT_EQ(prefixes(trie, "\xFF"), "");
  EXPECT_EQ(prefixes(trie, "c"), "");
  EXPECT_EQ(prefixes(trie, ""), "");
}

TEST(ByteTrie, MayBeEmptyAndWide) {
  EXPECT_EQ(prefixes(ByteTrie({}), "a"), "");
  std::vector<std::string> texts;
  for (int byte = 0; byte < 256; ++byte) texts.push_back("x" + std::string(1, static_cast<char>(byte)));
  std::vector<ByteTrie::Entry> entries;
  for (int byte = 0; byte < 256; ++byte) entries.push_back({texts[static_cast<std::size_t>(byte)], byte});
  const ByteTrie trie(entries);
  for (int byte = 0; byte < 256; ++byte)
    EXPECT_EQ(prefixes(trie, texts[static_cast<std::size_t>(byte)]), "2:" + std::to_string(byte) + " ");
}

}  // namespace
}  // namespace quiver
