// Bodies of requests: what is read, and what is said about those that are wrong.

#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "protocol/api_error.h"
#include "protocol/chat_request.h"
#include "protocol/completion_request.h"
#include "protocol/request_json.h"
#include "protocol/token_requests.h"

namespace quiver {
namespace {

// "status param: message" of the ApiError that `action` must throw.
template <typename Action>
std::string refusal(Action&& action) {
  try {
    action();
  } catch (const ApiError& error) {
    return std::to_string(error.status()) + " " + error.param() + ": " + error.what();
  }
  return "accepted";
}
std::string completion_refusal(const std::string& body) {
  return refusal([&] { CompletionRequest::parse(parse_request(body)); });
}
std::string chat_refusal(const std::string& body) {
  return refusal([&] { ChatCompletionRequest::parse(parse_request(body)); });
}
CompletionRequest completion(const std::string& body) {
  return CompletionRequest::parse(parse_request(body));
}
ChatCompletionRequest chat(const std::string& body) {
  return ChatCompletionRequest::parse(parse_request(body));
}

TEST(RequestJson, RefusesWhatIsNoObjectOfGoodJson) {
  const auto said = [](const std::string& body) { return refusal([&] { parse_request(body); }); };
  EXPECT_EQ(said(""), "400 : the request has no body; a JSON object is expected");
  EXPECT_EQ(said("[1]"), "400 : the request's body is not a JSON object, but: array");
  EXPECT_EQ(said("{\"a\": 1"),
            "400 : the request's body is not valid JSON: parse error at line 1, column 8: syntax error while "
            "parsing "
            "object - unexpected end of input; expected '}'");
  EXPECT_EQ(said(R"({"a": 1, "b": {"a": 2, "a": 3}})"), "400 a: the request's JSON has 'a' twice");
  for (const std::string number : {"NaN", "Infinity", "-Infinity", "1e999", "01", "+1", "0x10", "1.", ".5"})
    EXPECT_NE(said("{\"a\": " + number + "}").find("400 : the request's body is not valid JSON: "),
              std::string::npos)
        << number;
  EXPECT_NE(said("{\"a\": \"\xff\"}").find("ill-formed UTF-8"), std::string::npos);
  EXPECT_NE(said("{\"a\": \"\xed\xa0\x80\"}").find("ill-formed UTF-8"),
            std::string::npos);  // half a surrogate
  EXPECT_NE(said(R"({"a": "\ud800"})").find("surrogate"), std::string::npos);
  EXPECT_NE(said("{\"a\": 1} {}").find("not valid JSON"), std::string::npos);
  EXPECT_NE(said(std::string("{\"a\0\": 1}", 9)).find("not valid JSON"), std::string::npos);
  const auto nested = [](int depth) {
    return "{\"a\": " + std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']') + "}";
  };
  EXPECT_EQ(said(nested(99)), "accepted");
  EXPECT_EQ(said(nested(100)), "400 : the request's JSON is nested deeper than 100 levels");
  EXPECT_EQ(said("{\"a\": " + std::string(1'000'000, '[')),
            "400 : the request's JSON is nested deeper than 100 levels");
  EXPECT_EQ(parse_request(R"({"a": [1, {"a": 2}], "b": "\u00e9\ud83d\ude00"})").at("b"), "é😀");
}

TEST(CompletionRequest, HasOpenAisDefaults) {
  const CompletionRequest request = completion(R"({"prompt": "a"})");
  ASSERT_EQ(request.prompts.size(), 1u);
  EXPECT_EQ(std::get<std::string>(request.prompts[0]), "a");
  EXPECT_EQ(request.max_tokens, 16);
  EXPECT_FALSE(request.logprobs);
  EXPECT_FALSE(request.echo);
  EXPECT_EQ(request.common.n, 1);
  EXPECT_EQ(request.common.model, "");
  EXPECT_EQ(request.common.sampling.temperature, 1);
  EXPECT_EQ(request.common.sampling.top_p, 1);
  EXPECT_FALSE(request.common.sampling.seed);
  EXPECT_EQ(request.common.stream, StreamMode::kWhole);
  EXPECT_FALSE(request.common.router);
}

TEST(CompletionRequest, ReadsEveryField) {
  const CompletionRequest request = completion(R"({
    "model": "arrow", "prompt": ["a", "b"], "max_tokens": 3.0, "temperature": 0, "top_p": 0.5, "top_k": -1, "min_p": 0.1,
    "n": 2, "best_of": 2, "stop": ["x", "y"], "seed": -1, "echo": true, "logprobs": 5, "stream": true, "suffix": "",
    "stream_options": {"include_usage": true}, "logit_bias": {"7": -100, "9": 1.5}, "presence_penalty": 1,
    "frequency_penalty": -2, "repetition_penalty": 1.1, "stop_token_ids": [2], "ignore_eos": true, "user": "me",
    "metadata": {"a": 1}, "task_name": "t", "return_routing": true,
    "router": {"name": "prompt", "top_k": 2, "temperature": 0.5, "combine": "output", "prior": "prompt"}})");
  EXPECT_EQ(request.prompts.size(), 2u);
  EXPECT_EQ(request.max_tokens, 3);
  EXPECT_EQ(request.logprobs, 5);
  EXPECT_TRUE(request.echo);
  const GenerationFields& common = request.common;
  EXPECT_EQ(common.model, "arrow");
  EXPECT_EQ(common.n, 2);
  EXPECT_EQ(common.stop, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(common.stop_ids, std::vector<std::int32_t>{2});
  EXPECT_TRUE(common.ignore_stop_tokens);
  EXPECT_EQ(common.stream, StreamMode::kPiecesAndUsage);
  EXPECT_EQ(common.task_name, "t");
  EXPECT_EQ(common.routing, RoutingWanted::kTokens);
  EXPECT_EQ(common.sampling.temperature, 0);
  EXPECT_EQ(common.sampling.top_p, 0.5);
  EXPECT_EQ(common.sampling.top_k, 0);
  EXPECT_EQ(common.sampling.min_p, 0.1);
  EXPECT_EQ(common.sampling.presence_penalty, 1);
  EXPECT_EQ(common.sampling.frequency_penalty, -2);
  EXPECT_EQ(common.sampling.repetition_penalty, 1.1);
  EXPECT_EQ(common.sampling.logit_bias, (std::map<std::int32_t, double>{{7, -100}, {9, 1.5}}));
  EXPECT_EQ(common.sampling.seed, ~0ull);
  ASSERT_TRUE(common.router);
  EXPECT_EQ(common.router->name, "prompt");
  EXPECT_EQ(common.router->top_k, 2);
  EXPECT_EQ(common.router->temperature, 0.5);
  EXPECT_EQ(common.router->combine, "output");
  EXPECT_EQ(common.router->prior, "prompt");
}

TEST(CompletionRequest, TakesPromptsInFourForms) {
  const auto prompts = [](const std::string& prompt) {
    return completion("{\"prompt\": " + prompt + "}").prompts;
  };
  using Ids = std::vector<std::int32_t>;
  EXPECT_EQ(prompts("\"\""), (std::vector<PromptField>{std::string()}));
  EXPECT_EQ(prompts("[\"a\", \"b\"]"), (std::vector<PromptField>{std::string("a"), std::string("b")}));
  EXPECT_EQ(prompts("[1, 2]"), (std::vector<PromptField>{Ids{1, 2}}));
  EXPECT_EQ(prompts("[[1], [2, 3]]"), (std::vector<PromptField>{Ids{1}, Ids{2, 3}}));
  for (const std::string wrong : {"5", "{}", "[]", "[[]]", "[1, \"a\"]", "[\"a\", [1]]", "[[1], \"a\"]",
                                  "[-1]", "[1.5]", "[2147483648]", "[true]", "[[1, null]]"})
    EXPECT_EQ(completion_refusal("{\"prompt\": " + wrong + "}"),
              "400 prompt: 'prompt' must be a string, a list of strings, a list of token ids, or a list of "
              "such lists, "
              "not " +
                  Json::parse(wrong).dump());
}

TEST(CompletionRequest, NamesTheFieldThatIsWrong) {
  const auto said = [](const std::string& field) {
    return completion_refusal("{\"prompt\": \"a\", " + field + "}");
  };
  EXPECT_EQ(completion_refusal("{}"), "400 prompt: 'prompt' is missing");
  EXPECT_EQ(said(R"("max_token": 1)"),
            "400 max_token: unknown field 'max_token'; did you mean 'max_tokens'?");
  EXPECT_EQ(said(R"("zzzzzzzzzz": 1)"), "400 zzzzzzzzzz: unknown field 'zzzzzzzzzz'");
  EXPECT_EQ(said(R"("max_tokens": -1)"),
            "400 max_tokens: 'max_tokens' must be a whole number from 0 on, not -1");
  EXPECT_EQ(said(R"("max_tokens": 1.5)"),
            "400 max_tokens: 'max_tokens' must be a whole number from 0 on, not 1.5");
  EXPECT_EQ(said(R"("max_tokens": 1e300)"),
            "400 max_tokens: 'max_tokens' must be a whole number from 0 on, not 1e+300");
  EXPECT_EQ(said(R"("max_tokens": 18446744073709551615)"),
            "400 max_tokens: 'max_tokens' must be a whole number from 0 on, not 18446744073709551615");
  EXPECT_EQ(said(R"("max_tokens": "5")"),
            "400 max_tokens: 'max_tokens' must be a whole number from 0 on, not \"5\"");
  EXPECT_EQ(said(R"("max_tokens": 0)"), "400 max_tokens: 'max_tokens' of 0 without 'echo' asks for nothing");
  EXPECT_EQ(said(R"("max_tokens": 0, "echo": true)"), "accepted");
  EXPECT_EQ(said(R"("temperature": -0.1)"),
            "400 temperature: 'temperature' must be a number from 0 to 100, not -0.1");
  EXPECT_EQ(said(R"("temperature": true)"),
            "400 temperature: 'temperature' must be a number from 0 to 100, not true");
  EXPECT_EQ(said(R"("top_p": 0)"), "400 top_p: 'top_p' must be a number above 0 and at most 1, not 0");
  EXPECT_EQ(said(R"("n": 129)"), "400 n: 'n' must be a whole number from 1 to 128, not 129");
  EXPECT_EQ(said(R"("stop": ["a", "b", "c", "d", "e"])"),
            "400 stop: 'stop' must be a string or a list of at most 4 strings, not "
            "[\"a\",\"b\",\"c\",\"d\",\"e\"]");
  EXPECT_EQ(said(R"("stop": "")"), "400 stop: 'stop' must be without an empty string, not \"\"");
  EXPECT_EQ(said(R"("suffix": "x")").substr(0, 38), "400 suffix: 'suffix' is not supported:");
  EXPECT_EQ(said(R"("best_of": 2)"), "400 best_of: 'best_of' other than 'n' is not supported");
  EXPECT_EQ(said(R"("logit_bias": {"x": 1})").substr(0, 72),
            "400 logit_bias: 'logit_bias' must be an object of numbers from -100 to 1");
  EXPECT_EQ(said(R"("stream_options": {})"), "400 stream_options: 'stream_options' needs 'stream': true");
  EXPECT_EQ(said(R"("stream": true, "stream_options": {"usage": true})").substr(0, 62),
            "400 stream_options.usage: unknown field 'stream_options.usage'");
  EXPECT_EQ(said(R"("router": {"topk": 1})"),
            "400 router.topk: unknown field 'router.topk'; did you mean 'top_k'?");
  EXPECT_EQ(said(R"("router": {"name": "arrow", "experts": {"a": 1}})").substr(0, 40),
            "400 router.experts: 'router.experts' giv");
  EXPECT_EQ(said(R"("return_routing": "slots")"), "accepted");
  EXPECT_EQ(said(R"("return_routing": "all")"),
            "400 return_routing: 'return_routing' must be true, false or \"slots\", not \"all\"");
  EXPECT_EQ(said(R"("logprobs": 21)"),
            "400 logprobs: 'logprobs' must be a whole number from 0 to 20, not 21");
  EXPECT_EQ(said("\"stop\": " + std::string(1, '"') + "\\u0007\", \"x\\n\": 1"),
            "400 x\n: unknown field 'x\\n'; did you mean 'n'?");
}

TEST(ChatCompletionRequest, ReadsMessagesAndJoinsTheirParts) {
  const ChatCompletionRequest request = chat(R"({"messages": [
    {"role": "system", "content": "s"},
    {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
    {"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}],
    "tools": [{"type": "function"}], "max_tokens": 7, "max_completion_tokens": 5, "logprobs": true, "top_logprobs": 3,
    "response_format": {"type": "text"}, "chat_template_kwargs": {"thinking": false}, "tool_choice": "auto"})");
  EXPECT_EQ(request.chat.messages[1]["content"], "one\ntwo");
  EXPECT_EQ(request.chat.messages[2]["content"], OrderedJson());
  EXPECT_EQ(request.chat.tools.size(), 1u);
  EXPECT_EQ(request.chat.template_arguments, OrderedJson({{"thinking", false}}));
  EXPECT_EQ(request.chat.ending, ChatEnding::kNewMessage);
  EXPECT_EQ(request.max_tokens, 5);
  EXPECT_EQ(request.logprobs, 3);
  const std::string message = R"({"messages": [{"role": "user", "content": "a"}])";
  EXPECT_FALSE(chat(message + "}").max_tokens);
  EXPECT_EQ(chat(message + R"(, "max_tokens": 4})").max_tokens, 4);
  EXPECT_EQ(chat(message + R"(, "continue_final_message": true})").chat.ending,
            ChatEnding::kContinuesMessage);
  EXPECT_EQ(chat(message + R"(, "add_generation_prompt": false})").chat.ending, ChatEnding::kNone);
}

TEST(ChatRequest, KeepsTheOrderOfNames) {
  const std::string tools = R"([{"type":"function","function":{"z":1,"a":{"y":0,"b":[{"d":1,"c":2}]}}}])";
  const ChatCompletionRequest request =
      chat(R"({"tools": )" + tools + R"(, "messages": [{"role": "user", "content": "a"}]})");
  EXPECT_EQ(dump_ordered_json(request.chat.tools), tools);
}

TEST(ChatRequest, ReadsTheArgumentsOfCalls) {
  const auto calls = [](const std::string& role, const std::string& arguments) {
    const ChatCompletionRequest request = chat(R"({"messages": [{"role": ")" + role + R"(", "tool_calls": [
        {"id": "1", "function": {"name": "f")" +
                                               arguments + R"(}}, {"name": "g"}]}]})");
    return dump_ordered_json(request.chat.messages[0]["tool_calls"]);
  };
  const auto expected = [](const std::string& arguments) {
    return R"([{"id":"1","function":{"name":"f","arguments":)" + arguments + R"(}},{"name":"g"}])";
  };
  EXPECT_EQ(calls("assistant", R"(, "arguments": "{\"b\": [1], \"a\": {}}")"),
            expected(R"({"b":[1],"a":{}})"));
  EXPECT_EQ(calls("assistant", R"(, "arguments": {"b": 1, "a": 2})"), expected(R"({"b":1,"a":2})"));
  for (const std::string none : {"", R"(, "arguments": null)", R"(, "arguments": "")"})
    EXPECT_EQ(calls("assistant", none), expected("{}"));
  EXPECT_EQ(calls("user", R"(, "arguments": "{}")"), expected(R"("{}")"));
  EXPECT_FALSE(chat(R"({"messages": [{"role": "assistant", "content": "a", "tool_calls": []}]})")
                   .chat.messages[0]
                   .contains("tool_calls"));
  const auto said = [](const std::string& list) {
    return chat_refusal(R"({"messages": [{"role": "assistant", "tool_calls": )" + list + "}]}");
  };
  EXPECT_EQ(said("5"), "400 messages[0].tool_calls: 'messages[0].tool_calls' must be a list, not 5");
  EXPECT_EQ(said(R"([{"function": {"arguments": "{\"a\": 1, \"a\": 2}"}}])"),
            "400 messages[0].tool_calls[0].function.arguments: "
            "'messages[0].tool_calls[0].function.arguments': the JSON has 'a' twice");
  EXPECT_NE(said(R"([{"function": {"arguments": "{a"}}])").find("not valid JSON"), std::string::npos);
}

TEST(RequestJson, ReadsManyNamesInLinearTime) {
  std::string body = "{\"logit_bias\": {";
  for (int i = 0; i < 400'000; ++i) body += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(parse_request(body + "}}")["logit_bias"].size(), 400'000u);
  // 80 billion comparisons would take minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(ChatCompletionRequest, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(chat_refusal("{}"), "400 messages: 'messages' is missing");
  EXPECT_EQ(chat_refusal(R"({"messages": []})"),
            "400 messages: 'messages' must be a list of at least one message, not []");
  EXPECT_EQ(chat_refusal(R"({"messages": ["a"]})"),
            "400 messages[0]: 'messages[0]' must be an object, not \"a\"");
  EXPECT_EQ(chat_refusal(R"({"messages": [{"content": "a"}]})"),
            "400 messages[0].role: 'messages[0]' needs a 'role', a string");
  EXPECT_EQ(chat_refusal(R"({"messages": [{"role": "user"}]})"),
            "400 messages[0].content: 'messages[0]' needs a 'content'");
  EXPECT_EQ(chat_refusal(R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})"),
            "400 messages[0].content: 'messages[0].content' has a part that is no text: \"image_url\"");
  const std::string message = R"({"messages": [{"role": "user", "content": "a"}], )";
  EXPECT_EQ(chat_refusal(message + R"("response_format": {"type": "json_object"}})"),
            "400 response_format: 'response_format' must be {\"type\": \"text\"}: no other is supported, not "
            "{\"type\":\"json_object\"}");
  EXPECT_EQ(chat_refusal(message + R"("top_logprobs": 2})"),
            "400 top_logprobs: 'top_logprobs' needs 'logprobs': true");
  EXPECT_EQ(chat_refusal(message + R"("tool_choice": "required"})"),
            "400 tool_choice: 'tool_choice' must be \"auto\" or \"none\": a call cannot be forced, not "
            "\"required\"");
  EXPECT_EQ(chat_refusal(message + R"("max_completion_token": 2})"),
            "400 max_completion_token: unknown field 'max_completion_token'; did you mean "
            "'max_completion_tokens'?");
}

TEST(TokenRequests, AreRead) {
  const TokenizeRequest text = TokenizeRequest::parse(parse_request(R"({"prompt": "a"})"));
  EXPECT_EQ(std::get<std::string>(text.input), "a");
  EXPECT_TRUE(text.add_special_tokens);
  const TokenizeRequest messages =
      TokenizeRequest::parse(parse_request(R"({"messages": [{"role": "user", "content": "a"}]})"));
  EXPECT_FALSE(messages.add_special_tokens);
  EXPECT_EQ(refusal([] { TokenizeRequest::parse(parse_request("{}")); }),
            "400 prompt: one of 'prompt' and 'messages' is needed");
  EXPECT_EQ(DetokenizeRequest::parse(parse_request(R"({"tokens": []})")).tokens.size(), 0u);
  EXPECT_EQ(refusal([] { DetokenizeRequest::parse(parse_request(R"({"tokens": ["a"]})")); }),
            "400 tokens: 'tokens' must be a list of token ids, not [\"a\"]");
  const EmbeddingRequest embedding =
      EmbeddingRequest::parse(parse_request(R"({"input": [1, 2], "encoding_format": "base64"})"));
  EXPECT_EQ(embedding.inputs.size(), 1u);
  EXPECT_EQ(embedding.format, EmbeddingRequest::Format::kBase64);
}

TEST(ApiErrors, HaveOpenAisShape) {
  const HttpResponse response = to_response(ApiError(429, "full", "n", "busy"));
  EXPECT_EQ(
      Json::parse(response.body),
      Json::parse(
          R"({"error": {"message": "full", "type": "rate_limit_error", "param": "n", "code": "busy"}})"));
  ASSERT_EQ(response.headers.size(), 1u);
  EXPECT_EQ(response.headers[0].name, "Retry-After");
  EXPECT_EQ(to_json(ApiError(400, "a")).at("error").at("param"), Json());
  const ApiError missing = api_error_of(Error(ErrorKind::kNotFound, "no such", "look there"));
  EXPECT_EQ(missing.status(), 404);
  EXPECT_STREQ(missing.what(), "no such (look there)");
  EXPECT_EQ(api_error_of(std::runtime_error("odd\nstack")).status(), 500);
  EXPECT_STREQ(api_error_of(std::runtime_error("odd\nstack")).what(), "odd");
}

// Whatever is done to a body, it is read or refused.
TEST(RequestGarbage, IsReadOrRefused) {
  const std::vector<std::string> bodies = {
      R"({"model": "arrow", "prompt": ["a", "b"], "max_tokens": 3, "temperature": 0.5, "stop": ["x"], "logprobs": 5})",
      R"({"prompt": [[1, 2], [3]], "logit_bias": {"7": -100}, "router": {"name": "a", "experts": {"x": 1}}, "n": 2})",
      R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "é\u00e9"}]}], "stream": true})"};
  const std::vector<std::string> pieces = {"null",
                                           "true",
                                           "-1",
                                           "1e400",
                                           "[]",
                                           "{}",
                                           "\"\"",
                                           "\\u0000",
                                           "\xf0\x9f",
                                           ",",
                                           "\"stop\":",
                                           "[[[[",
                                           "99999999999999999999",
                                           "\"stream_options\":{}"};
  std::mt19937 random(7);
  const auto below = [&](std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random);
  };
  int read = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string body = bodies[below(bodies.size())];
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
      const std::size_t at = below(body.size());
      if (below(2) == 0)
        body[at] = static_cast<char>(below(256));
      else
        body.replace(at, below(6), pieces[below(pieces.size())]);
    }
    try {
      const Json json = parse_request(body);
      json.contains("messages") ? void(ChatCompletionRequest::parse(json))
                                : void(CompletionRequest::parse(json));
      ++read;
    } catch (const ApiError& error) {
      EXPECT_NO_THROW(to_response(error));
    }
  }
  EXPECT_GT(read, 100);
}

}  // namespace
}  // namespace quiver
