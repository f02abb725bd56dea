#include "data/tokenized_example.h"

#include "core/json.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::int32_t kEndOfText = 0;

// A byte-level tokenizer of single letters and the words "this" and " this". Ids: 0 "<eos>", 1 ".", 2 "a", 3
// "b", 4 newline, 5 space, 6 "this", 7 " this", then what the merges need.
std::shared_ptr<const Tokenizer> make_tokenizer(const test::ScratchDirectory& scratch, bool with_space_word) {
  const std::string space = "\u0120";
  const std::string newline = "\u010A";
  Json vocabulary = {{"<eos>", 0}, {".", 1},  {"a", 2},  {"b", 3},  {newline, 4}, {space, 5},
                     {"this", 6},  {"t", 8},  {"h", 9},  {"i", 10}, {"s", 11},    {"th", 12},
                     {"thi", 13},  {"<", 14}, {"e", 15}, {"o", 16}, {">", 17},    {space + "a", 18}};
  Json merges = {"t h", "th i", "thi s", space + " a"};
  if (with_space_word) {
    vocabulary[space + "this"] = 7;
    merges.push_back(space + " this");
  }
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}};
  const Json file = {{"added_tokens", Json::array()},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", byte_level},
                     {"post_processor", nullptr},
                     {"decoder", byte_level},
                     {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}}}};
  write_file_atomic(scratch / "tokenizer.json", file.dump());
  return Tokenizer::from_file(scratch / "tokenizer.json");
}

class TokenizedExampleTest : public testing::Test {
 protected:
  std::optional<TokenizedExample> tokenize(const std::string& source, const std::string& target,
                                           const TokenizeOptions& options = {}) {
    const Example example{
        .source = source, .target = target, .task_name = "task", .task_source = "", .template_type = ""};
    return tokenize_for_training(*tokenizer_, kEndOfText, example, options);
  }

  test::ScratchDirectory scratch_;
  std::shared_ptr<const Tokenizer> tokenizer_ = make_tokenizer(scratch_, true);
};

TEST(JoinSourceTarget, SettlesTheSpaceBetween) {
  const auto join = [](const char* source, const char* target, SpaceMerging merging) {
    const JoinedText joined = join_source_target(source, target, merging);
    return joined.source + "|" + joined.target;
  };
  EXPECT_EQ(join("a:", "b", SpaceMerging::kIntoNextWord), "a:| b");
  EXPECT_EQ(join("a: ", "b", SpaceMerging::kIntoNextWord), "a:| b");
  EXPECT_EQ(join("a:  ", "b", SpaceMerging::kIntoNextWord), "a: | b");
  EXPECT_EQ(join("a:\n", "b", SpaceMerging::kIntoNextWord), "a:\n|b");
  EXPECT_EQ(join("a:", "\nb", SpaceMerging::kIntoNextWord), "a:|\nb");
  EXPECT_EQ(join("a:", "", SpaceMerging::kIntoNextWord), "a:|");
  EXPECT_EQ(join("", "b", SpaceMerging::kIntoNextWord), "|b");
  EXPECT_EQ(join(" ", "b", SpaceMerging::kIntoNextWord), "| b");
  EXPECT_EQ(join("a: ", "b", SpaceMerging::kNone), "a: |b");
  EXPECT_EQ(join("a:", "b", SpaceMerging::kNone), "a:| b");
}

TEST_F(TokenizedExampleTest, JoinsAndMarksTheAnswer) {
  for (const char* source : {"a.", "a. "}) {
    const auto example = tokenize(source, "this");
    ASSERT_TRUE(example);
    EXPECT_EQ(example->ids, (Ids{2, 1, 7, kEndOfText}));
    EXPECT_EQ(example->target_begin, 2);
  }
}

TEST_F(TokenizedExampleTest, ATokenAcrossTheBorderIsATarget) {
  // "th" + "is" meet without a space only after a newline, so the border is moved into a token by the text
  // itself: the source's last space and the answer's letter are one token.
  const auto tokenizer = make_tokenizer(scratch_, false);  // no " this": spaces do not merge here
  const Example example{
      .source = "b ", .target = "a", .task_name = "", .task_source = "", .template_type = ""};
  const auto result = tokenize_for_training(*tokenizer, kEndOfText, example, {});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->ids, (Ids{3, 18, kEndOfText}));
  EXPECT_EQ(result->target_begin, 1);
}

TEST_F(TokenizedExampleTest, EndOfTextIsAnIdAndItsNameInTheDataIsText) {
  EXPECT_EQ(tokenize("a\n", "<eos>")->ids, (Ids{2, 4, 14, 15, 16, 11, 17, kEndOfText}));
  TokenizeOptions options;
  options.add_eos_to_targets = false;
  EXPECT_EQ(tokenize("a.", "this", options)->ids, (Ids{2, 1, 7}));
  EXPECT_FALSE(tokenize("a.", "", options).has_value());
  EXPECT_EQ(tokenize("a.", "")->ids, (Ids{2, 1, kEndOfText}));
  EXPECT_EQ(tokenize("a.", "")->target_begin, 2);
}

TEST_F(TokenizedExampleTest, TruncatesOnEitherSide) {
  TokenizeOptions options;
  options.max_input_length = 3;
  options.truncation_side = TruncationSide::kLeft;
  EXPECT_EQ(tokenize("bb.", "this", options)->ids, (Ids{1, 7, kEndOfText}));
  EXPECT_EQ(tokenize("bb.", "this", options)->target_begin, 1);
  EXPECT_EQ(tokenize("b\n", "a.a.", options)->ids, (Ids{2, 1, kEndOfText}));
  EXPECT_EQ(tokenize("b\n", "a.a.", options)->target_begin, 0);

  options.truncation_side = TruncationSide::kRight;
  EXPECT_EQ(tokenize("b.", "this", options)->ids, (Ids{3, 1, 7}));
  EXPECT_EQ(tokenize("b.", "this", options)->target_begin, 2);
  EXPECT_FALSE(tokenize("bb.", "this", options).has_value());
  options.max_input_length = 0;
  EXPECT_FALSE(tokenize("b.", "this", options).has_value());
}

TEST_F(TokenizedExampleTest, TrainsOnInputsWhenAsked) {
  TokenizeOptions options;
  options.train_on_inputs = true;
  EXPECT_EQ(tokenize("a.", "this", options)->target_begin, 0);
}

TEST_F(TokenizedExampleTest, EmptyTextsAreNoSpecialCase) {
  EXPECT_EQ(tokenize("", "this")->ids, (Ids{6, kEndOfText}));
  EXPECT_EQ(tokenize("", "this")->target_begin, 0);
  EXPECT_EQ(tokenize("", "")->ids, (Ids{kEndOfText}));
}

TEST_F(TokenizedExampleTest, BeginOfTextIsPartOfThePrompt) {
  write_file_atomic(scratch_ / "tokenizer_config.json", R"({"bos_token": "a", "eos_token": "b"})");
  const auto tokenizer = make_tokenizer(scratch_, true);
  tokenizer_ = tokenizer;
  const std::vector<std::int32_t> plain = tokenize("b", "this")->ids;
  TokenizeOptions options{.beginning = TextBeginning(*tokenizer, BeginOfText::kAlways, kEndOfText)};
  const TokenizedExample begun = *tokenize("b", "this", options);
  EXPECT_EQ(begun.ids.front(), *tokenizer->token_id("a"));
  EXPECT_EQ(std::vector<std::int32_t>(begun.ids.begin() + 1, begun.ids.end()), plain);
  EXPECT_EQ(begun.target_begin, tokenize("b", "this")->target_begin + 1);
  // Without a prompt, the first target has something to be predicted from.
  EXPECT_EQ(tokenize("", "this", options)->target_begin, 1);
  // A text that spells it out gets no second one.
  EXPECT_EQ(tokenize("a", "this", options)->ids, tokenize("a", "this")->ids);
}

}  // namespace
}  // namespace quiver
