#include "server/answer_writer.h"

#include <gtest/gtest.h>

namespace quiver {
namespace {

TEST(AnswerWriter, ACompletionsChoice) {
  const auto writer = completion_writer({"base", "print", false});
  const Json choice = writer->choice({.index = 1, .text = "a", .finish_reason = "stop"});
  EXPECT_EQ(choice, Json::parse(R"({"index": 1, "text": "a", "logprobs": null, "finish_reason": "stop"})"));
  const Json answer = answer_json(writer->head(), {choice});
  EXPECT_EQ(answer.at("object"), "text_completion");
  EXPECT_EQ(answer.at("model"), "base");
  EXPECT_TRUE(answer.at("id").get<std::string>().starts_with("cmpl-"));
  EXPECT_NE(completion_writer({"base", "print", false})->head().id, writer->head().id);
}

TEST(AnswerWriter, AStreamsOffsetsGoOn) {
  const auto writer = completion_writer({"base", "print", true});
  EXPECT_EQ(writer->chunks({.text = "ab", .tokens = {{"ab", -1, {}}}})[0].at("logprobs").at("text_offset"),
            Json::parse("[0]"));
  EXPECT_EQ(writer->chunks({.index = 1, .text = "c", .tokens = {{"c", -1, {}}}})[0]
                .at("logprobs")
                .at("text_offset"),
            Json::parse("[0]"));
  EXPECT_EQ(writer->chunks({.text = "c", .tokens = {{"c", -1, {}}}})[0].at("logprobs").at("text_offset"),
            Json::parse("[2]"));
}

TEST(AnswerWriter, AChatsStreamBeginsWithTheRole) {
  const auto writer = chat_writer({"base", "print", false});
  const std::vector<Json> first = writer->chunks({.text = "a"});
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].at("delta"), Json::parse(R"({"role": "assistant", "content": ""})"));
  EXPECT_EQ(first[1].at("delta"), Json::parse(R"({"content": "a"})"));
  const std::vector<Json> last = writer->chunks({.finish_reason = "length"});
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0],
            Json::parse(R"({"index": 0, "delta": {}, "logprobs": null, "finish_reason": "length"})"));
  EXPECT_EQ(writer->chunk_head().object, "chat.completion.chunk");
  EXPECT_EQ(writer->chunk_head().id, writer->head().id);
  EXPECT_EQ(writer->choice({.text = "b"}).at("message").at("content"), "b");
}

}  // namespace
}  // namespace quiver
