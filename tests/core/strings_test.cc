#include "core/strings.h"

#include <gtest/gtest.h>

namespace quiver {
namespace {

TEST(SplitList, TrimsAndDropsEmptyParts) {
  EXPECT_EQ(split_list(" a, b ,,c "), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(split_list("").empty());
}

TEST(NearestNames, RanksByEditDistance) {
  const std::vector<std::string> names = {"learning_rate", "lora_rank", "warmup_steps"};
  EXPECT_EQ(nearest_names("lora_rnak", names).front(), "lora_rank");
  EXPECT_TRUE(nearest_names("zzzzzzzz", names).empty());
  EXPECT_EQ(did_you_mean("learning_rat", names), "did you mean 'learning_rate'?");
}

}  // namespace
}  // namespace quiver
