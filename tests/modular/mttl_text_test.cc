#include "modular/mttl_text.h"

#include <gtest/gtest.h>

namespace quiver {
namespace {

// Each rule of transformers 4's clean_up_tokenization once, in its order.
TEST(MttlText, SpacesAreCleanedUp) {
  EXPECT_EQ(clean_up_spaces("A . B ? C ! D , E"), "A. B? C! D, E");
  EXPECT_EQ(clean_up_spaces("rock ' n ' roll"), "rock'n'roll");
  EXPECT_EQ(clean_up_spaces("I 'm , he 's , we 've , they 're , do n't"), "I'm, he's, we've, they're, don't");
  EXPECT_EQ(clean_up_spaces("a  .  b"), "a .  b");  // one pass, left to right
  EXPECT_EQ(clean_up_spaces(""), "");
}

TEST(MttlText, TheTextBetweenTwoOccurrencesOfTheSource) {
  EXPECT_EQ(mttl_continuation("Q: x?", "Q: x? yes", " yes"), " yes");
  EXPECT_EQ(mttl_continuation("Q: x?", "Q: x? yes Q: x? no", " yes Q: x? no"), " yes ");
  EXPECT_EQ(mttl_continuation("Q: x?", "so Q: x? yes .", " yes ."), " yes.");
}

TEST(MttlText, TheNewTokensWhereTheSourceIsNotThere) {
  EXPECT_EQ(mttl_continuation("Q: x ?", "Q: x ? yes .", " yes ."), " yes.");  // cleaned up to "Q: x?"
  EXPECT_EQ(mttl_continuation("", "a b", " b"), " b");
}

}  // namespace
}  // namespace quiver
