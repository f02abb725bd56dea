#include "text/decoder.h"

#include <gtest/gtest.h>

namespace quiver {
namespace {

std::string decoded(DecodeStep step, std::vector<std::string> tokens) {
  return Decoder({std::move(step)}, "|").decode(std::move(tokens));
}

// Expected: tokenizers 0.23.3, but for bytes that form no character.
TEST(Decoder, Steps) {
  EXPECT_EQ(decoded(decode_byte_alphabet(), {"\u0120a", "\u00c3", "\u00a9", "   "}), " a\u00e9   ");
  EXPECT_EQ(decoded(decode_byte_tokens(), {"<0xC3>", "<0xa9>", "a", "<0x0>", "<0xGG>", "<0x+A>"}),
            "\xC3|\xA9|a|<0x0>|<0xGG>|<0x+A>");
  EXPECT_EQ(decoded(decode_replaced(Regex::literal("\u2581"), " "), {"\u2581a\u2581", "b"}), " a |b");
  EXPECT_EQ(decoded(decode_fused(), {"a", "b"}), "ab");
  EXPECT_EQ(decoded(decode_stripped(" ", 1, 0), {"  a ", " b"}), " a |b");
  EXPECT_EQ(decoded(decode_stripped("\u00e9", 2, 1), {"\u00e9a\u00e9\u00e9", "\u00e9\u00e9\u00e9", ""}),
            "a\u00e9||");
  EXPECT_EQ(decoded(decode_metaspace("\u2581", FirstSpace::kDrop), {"\u2581\u2581a", "\u2581b"}), "a| b");
  EXPECT_EQ(decoded(decode_metaspace("\u2581", FirstSpace::kKeep), {"\u2581\u2581a", "\u2581b"}), "  a| b");
}

TEST(Decoder, StepsComeInOrder) {
  const Decoder llama({decode_replaced(Regex::literal("\u2581"), " "), decode_byte_tokens(), decode_fused(),
                       decode_stripped(" ", 1, 0)});
  EXPECT_EQ(llama.decode({"\u2581", "\u2581a", "<0xE2>", "<0x82>", "<0xAC>"}), " a\u20ac");
  EXPECT_EQ(llama.decode({}), "");
}

}  // namespace
}  // namespace quiver
