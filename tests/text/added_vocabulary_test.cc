#include "text/added_vocabulary.h"

#include <gtest/gtest.h>

namespace quiver {
namespace {

// Two tokens of the model, and what `tokenizers` makes of added ones beside them.
class AddedVocabularyTest : public testing::Test {
 protected:
  AddedVocabularyTest() {
    vocabulary_.add("a", 0, "test");
    vocabulary_.add("b", 1, "test");
  }

  std::string warning_of(const std::vector<AddedToken>& tokens) {
    AddedVocabulary added(vocabulary_);
    testing::internal::CaptureStderr();
    added.add(tokens, "tokenizer.json");
    return testing::internal::GetCapturedStderr();
  }

  Vocabulary vocabulary_;
};

TEST_F(AddedVocabularyTest, NumbersNewTokensInTheirOrder) {
  EXPECT_EQ(warning_of({{.id = 2, .content = "<x>"}, {.id = 0, .content = "a"}, {.id = 3, .content = "<y>"}}),
            "");
  EXPECT_EQ(vocabulary_.id("<x>"), 2);
  EXPECT_EQ(vocabulary_.id("<y>"), 3);
  EXPECT_EQ(vocabulary_.id("a"), 0);
}

TEST_F(AddedVocabularyTest, SaysWhichTokensGetAnotherId) {
  const std::string warning = warning_of({{.id = 9, .content = "<x>"}, {.id = 5, .content = "<y>"}});
  EXPECT_NE(
      warning.find("tokenizer.json: added token '<x>' has id 9 there and 2 here, and so have 1 more other "
                   "ids: ids that leave gaps are numbered anew, as `tokenizers` does"),
      std::string::npos)
      << warning;
  EXPECT_EQ(vocabulary_.id("<y>"), 3);
}

TEST_F(AddedVocabularyTest, TheLastFlagsCount) {
  AddedVocabulary added(vocabulary_);
  added.add({{.content = "<x>", .special = true}}, "one");
  added.add({{.content = "<x>", .normalized = true, .lstrip = true}}, "two");
  ASSERT_EQ(added.tokens().size(), 1u);
  const AddedToken token = added.tokens().front();
  EXPECT_TRUE(token.special && token.lstrip && !token.normalized);
}

}  // namespace
}  // namespace quiver
