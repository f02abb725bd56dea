#include "text/character_map.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <cstring>
#include <random>

#include "support/test_support.h"
#include "text/utf8.h"

namespace quiver {
namespace {

std::string base64(const std::string& bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                  reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.pop_back();
  return text;
}

std::string file(const std::vector<std::uint32_t>& units, const std::string& texts) {
  const auto size = static_cast<std::uint32_t>(units.size() * 4);
  std::string bytes(4 + size, '\0');
  std::memcpy(bytes.data(), &size, 4);
  std::memcpy(bytes.data() + 4, units.data(), size);
  return base64(bytes + texts);
}

constexpr std::uint32_t kLeaf = 1u << 8;
constexpr std::uint32_t offset(std::uint32_t value) { return value << 10; }

// A double array whose one entry is 'a': the root's children are at 256 ^ byte, the value of 'a' at 1.
std::vector<std::uint32_t> one_letter(std::uint32_t value) {
  std::vector<std::uint32_t> units(512, 0);
  units[0] = offset(256);
  units[256 ^ 'a'] = 'a' | kLeaf | offset((256 ^ 'a') ^ 1);
  units[1] = value;
  return units;
}

std::string applied(const std::string& encoded, const std::string& text) {
  return CharacterMap::from_base64(encoded, "test")->apply(TracedText::repaired(text)).bytes();
}

TEST(CharacterMap, MapsCharactersAndClusters) {
  const std::string map = file(one_letter(2), std::string("x\0yz\0", 5));
  EXPECT_EQ(applied(map, "abaA"), "yzbyzA");
  // The shortest entry decides for a whole cluster, whose mark goes.
  EXPECT_EQ(applied(map, "a\u0301b"), "yzb");
  // A cluster of more than 5 bytes goes character by character.
  EXPECT_EQ(applied(map, "a\u0301\u0301\u0301b"), "yz\u0301\u0301\u0301b");
  EXPECT_EQ(applied(map, ""), "");
}

TEST(CharacterMap, WhatItRemovesAtTheBeginningBelongsToWhatFollows) {
  const auto map = CharacterMap::from_base64(file(one_letter(0), std::string("\0", 1)), "test");
  const TracedText text = map->apply(TracedText::repaired("aabca"));
  EXPECT_EQ(text.bytes(), "bc");
  EXPECT_EQ(text.span(0, 1), (TextSpan{0, 3}));
  EXPECT_EQ(text.span(1, 2), (TextSpan{3, 4}));
}

// Every value and offset of a table is a number from the file.
TEST(CharacterMap, PointersOutOfTheTableFindNothing) {
  EXPECT_EQ(applied(file(one_letter(1000), std::string("x\0", 2)), "a"), "a");
  EXPECT_EQ(applied(file(one_letter(0x7FFFFFFF), std::string("x\0", 2)), "a"), "a");
  EXPECT_EQ(applied(file(one_letter(1), "\u00e9"), "a"), "a");  // inside a character
  EXPECT_EQ(applied(file({offset(1u << 20)}, "x"), "a"), "a");
  std::vector<std::uint32_t> units = one_letter(0);
  units[256 ^ 'a'] = 'a' | kLeaf | offset((1u << 21));
  EXPECT_EQ(applied(file(units, "x"), "a"), "a");
  EXPECT_EQ(applied(file(one_letter(0), "x"), "a"), "x");  // no zero byte at the end
}

// Whatever a table holds, a text comes out that is UTF-8; sanitizers see what is read.
TEST(CharacterMap, RandomTablesGiveText) {
  std::mt19937 random(1);
  const std::string input = "abc \u00e9\u3042\U0001F600a\u0301 xyz";
  std::size_t changed = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::uint32_t> units(600);
    for (std::uint32_t index = 0; index < units.size(); ++index) {
      // Labels that fit their place and small values, so that some walks arrive.
      const std::uint32_t aim = random() % 3 == 0 ? random() % 700 : random() % 3 * 256;
      units[index] = random() % 3 == 0 ? random() % 8 : (index & 0xFF) | kLeaf | offset(aim);
      if (random() % 8 == 0) units[index] = random();
    }
    units[0] = offset(256);
    const std::string output = applied(file(units, std::string("\u00e9\0x\0", 6)), input);
    EXPECT_EQ(valid_utf8_prefix(output), output.size());
    changed += output != input;
  }
  EXPECT_GT(changed, 10u);
}

TEST(CharacterMap, RefusesWhatIsNone) {
  const auto refusal = [](const std::string& encoded) {
    return test::error_message([&] { CharacterMap::from_base64(encoded, "file"); });
  };
  EXPECT_EQ(refusal("abc"), "file: 'precompiled_charsmap' of 3 characters is not base64");
  EXPECT_EQ(refusal("a*=="), "file: 'precompiled_charsmap' of 4 characters is not base64");
  EXPECT_EQ(refusal(""), "file: 'precompiled_charsmap' is too short");
  EXPECT_EQ(refusal("===="), "file: 'precompiled_charsmap' is too short");
  EXPECT_EQ(refusal("AAA="), "file: 'precompiled_charsmap' is too short");
  EXPECT_EQ(refusal(base64(std::string(4, '\0'))),
            "file: 'precompiled_charsmap' says that its table has 0 of 4 bytes");
  EXPECT_EQ(refusal(base64(std::string("\x08\0\0\0abcd", 8))),
            "file: 'precompiled_charsmap' says that its table has 8 of 8 bytes");
  EXPECT_EQ(refusal(base64(std::string("\xFF\xFF\xFF\xFF", 4))),
            "file: 'precompiled_charsmap' says that its table has 4294967295 of 4 bytes");
  EXPECT_EQ(refusal(file({0}, "\xFF")), "file: 'precompiled_charsmap' holds texts that are not UTF-8");
}

}  // namespace
}  // namespace quiver
