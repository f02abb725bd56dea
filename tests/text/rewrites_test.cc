#include "text/rewrites.h"

#include <gtest/gtest.h>

#include "text/oniguruma_pattern.h"

namespace quiver {
namespace {

// The text and "[begin,end)" of each byte.
std::string traced(const TracedText& text) {
  std::string result = text.bytes() + " ";
  for (std::size_t at = 0; at < text.bytes().size(); ++at) {
    const TextSpan span = text.span(at, at + 1);
    result += "[" + std::to_string(span.begin) + "," + std::to_string(span.end) + ")";
  }
  return result;
}

TracedText text(std::string_view input) { return TracedText::repaired(input); }

TEST(Rewrites, APrefixHasAnEmptyPlaceWhereTheTextBegins) {
  EXPECT_EQ(traced(with_prefix("_", text("xab").slice(1, 3))), "_ab [1,1)[1,2)[2,3)");
  EXPECT_EQ(traced(with_prefix("_", text(""))), " ");
}

TEST(Rewrites, WhatReplacesAMatchHasItsPlace) {
  const Regex spaces = oniguruma_regex(" {2,}", "test");
  EXPECT_EQ(traced(with_replaced(spaces, "__", text("a  b c"))), "a__b c [0,1)[1,3)[1,3)[3,4)[4,5)[5,6)");
  EXPECT_EQ(traced(with_replaced(spaces, "", text("  "))), " ");
}

TEST(Rewrites, StripsUnicodesWhiteSpace) {
  const std::string padded = "\u3000\ta b\u00a0\n";
  EXPECT_EQ(stripped(StripSides::kBoth, text(padded)).bytes(), "a b");
  EXPECT_EQ(stripped(StripSides::kLeft, text(padded)).bytes(), "a b\u00a0\n");
  EXPECT_EQ(stripped(StripSides::kRight, text(padded)).bytes(), "\u3000\ta b");
  EXPECT_EQ(stripped(StripSides::kRight, text(" \n ")).bytes(), "");
  EXPECT_EQ(traced(stripped(StripSides::kBoth, text(" a "))), "a [1,2)");
}

TEST(Rewrites, LowerCaseMayBeLonger) {
  EXPECT_EQ(lowercased(text("aBC\u00c9\u03a3\u1e9e")).bytes(), "abc\u00e9\u03c3\u00df");
  EXPECT_EQ(traced(lowercased(text("\u0130x"))), "i\u0307x [0,2)[0,2)[0,2)[2,3)");
}

TEST(Rewrites, NmtRemovesControlsAndWidensSpaces) {
  EXPECT_EQ(traced(with_nmt_spaces(text("a\x01\tb"))), "a b [0,1)[2,3)[3,4)");
  EXPECT_EQ(with_nmt_spaces(text("\u2581\u200b\ufffd\u00a0")).bytes(), "   \u00a0");
}

}  // namespace
}  // namespace quiver
