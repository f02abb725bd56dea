#include "protocol/answer_json.h"

#include <gtest/gtest.h>

#include <limits>

namespace quiver {
namespace {

TEST(AnswerJson, CompletionLogprobsCountCharacters) {
  CompletionLogprobs logprobs;
  const Json first =
      logprobs.next({{"é", std::nullopt, {}}, {"\xf0\x9f", -1.5, {{"\xf0\x9f", -1.5}, {"a", -2}}}});
  EXPECT_EQ(first.at("tokens"), Json::parse(R"(["é", "bytes:\\xf0\\x9f"])"));
  EXPECT_EQ(first.at("token_logprobs"), Json::parse("[null, -1.5]"));
  EXPECT_EQ(first.at("top_logprobs"), Json::parse(R"([null, {"bytes:\\xf0\\x9f": -1.5, "a": -2.0}])"));
  EXPECT_EQ(first.at("text_offset"), Json::parse("[0, 1]"));
  const Json second =
      logprobs.next({{"\x98\x80", -1, {}}, {"b", -std::numeric_limits<double>::infinity(), {}}});
  EXPECT_EQ(second.at("text_offset"), Json::parse("[2, 2]"));
  EXPECT_EQ(second.at("token_logprobs"), Json::parse("[-1.0, -9999.0]"));
  EXPECT_EQ(second.at("top_logprobs").at(1), Json::parse(R"({"b": -9999.0})"));
}

TEST(AnswerJson, TokensOfOneSpellingKeepTheLikelier) {
  CompletionLogprobs logprobs;
  const Json json = logprobs.next({{"a", -3, {{"a", -1}, {"a", -3}}}});
  EXPECT_EQ(json.at("top_logprobs"), Json::parse(R"([{"a": -1.0}])"));
}

TEST(AnswerJson, ChatLogprobsHaveBytes) {
  const Json json = chat_logprobs({{"é", -0.5, {{"é", -0.5}}}});
  EXPECT_EQ(json.at("content"),
            Json::parse(R"([{"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs":
                                              [{"token": "é", "logprob": -0.5, "bytes": [195, 169]}]}])"));
}

TEST(AnswerJson, AnEventIsOneLine) {
  EXPECT_EQ(event_text({{"text", "a\nb\xff"}}), "data: {\"text\":\"a\\nb\xef\xbf\xbd\"}\n\n");
}

}  // namespace
}  // namespace quiver
