// POST /v1/completions, against the library's own generate() and score().

#include <chrono>

#include "quiver/generation.h"
#include "quiver/scoring.h"
#include "server/routing_json.h"
#include "server/server_fixture.h"

namespace quiver {
namespace {

using test::RunningServer;

struct Choice {
  std::string model;  // of the request
  RouterOptions router;
  std::string task_name = {};
};

std::vector<Choice> choices() {
  return {{"base", parse_router("base")},
          {"arrow", parse_router("arrow")},
          {"phatgoose", parse_router("phatgoose")},
          {"uniform", parse_router("uniform")},
          {"expert:expert_2", parse_router("expert:expert_2")},
          {"oracle", parse_router("oracle"), "task_1"},
          {"oracle", parse_router("oracle"), "task_3"}};
}

const std::vector<std::string> kPrompts = {"The archer", "An arrow flew far over the target", "x",
                                           "Question: how far?\nAnswer:"};

std::string expected_text(const RoutedModel& model, const std::string& prompt,
                          const std::string& task_name = {},
                          const GenerationOptions& options = {.max_new_tokens = 20}) {
  const GenerationRequest request{model, prompt, task_name};
  return generate({&request, 1}, options).front().text;
}

class Completions : public ::testing::Test {
 protected:
  RoutedModel model(const RouterOptions& router) const { return server_.library().compose(router); }

  Json complete(Json body) const {
    body.emplace("max_tokens", 20);
    body.emplace("temperature", 0);
    return server_.answer("/v1/completions", body);
  }

  const RunningServer server_;
};

// lm-evaluation-harness takes the last of the tokens for the new one, which it has no use for.
TEST_F(Completions, LogprobsHaveTheTokenThatEndsTheText) {
  const RoutedModel base = model(parse_router("base"));
  const GenerationRequest request{base, kPrompts[1], {}};
  const std::int32_t next = generate({&request, 1}, {.max_new_tokens = 1}).front().ids.at(0);
  const std::vector<std::int32_t> ids = base.prompt_ids(kPrompts[1]);
  Json body = {{"prompt", ids}, {"max_tokens", 1}, {"echo", true}, {"logprobs", 2}};
  const Json going_on = complete(body)["choices"][0];
  body["stop_token_ids"] = {next};
  const Json answer = complete(body);
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(answer["usage"]["completion_tokens"], 0);
  EXPECT_EQ(answer["choices"][0]["logprobs"]["tokens"].size(), ids.size() + 1);
  EXPECT_EQ(answer["choices"][0]["logprobs"], going_on["logprobs"]);
}

TEST_F(Completions, GiveTheTextOfGenerate) {
  for (const Choice& choice : choices()) {
    const Json answer =
        complete({{"model", choice.model}, {"prompt", kPrompts[1]}, {"task_name", choice.task_name}});
    EXPECT_EQ(answer.at("choices").at(0).at("text"),
              test::shown_text(expected_text(model(choice.router), kPrompts[1], choice.task_name)))
        << choice.model;
    EXPECT_EQ(answer.at("object"), "text_completion");
    EXPECT_EQ(answer.at("model"), choice.model);
    const auto tokens = static_cast<std::int64_t>(model(choice.router).prompt_ids(kPrompts[1]).size());
    EXPECT_EQ(answer.at("usage").at("prompt_tokens"), tokens);
    EXPECT_EQ(answer.at("usage").at("total_tokens"),
              tokens + answer.at("usage").at("completion_tokens").get<std::int64_t>());
  }
}

TEST_F(Completions, OfManyClientsAreWhatTheyAreAlone) {
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  const std::vector<Choice> all = choices();
  std::vector<std::vector<std::string>> expected(all.size());
  for (std::size_t c = 0; c < all.size(); ++c) {
    for (const std::string& prompt : kPrompts)
      expected[c].push_back(test::shown_text(expected_text(model(all[c].router), prompt, all[c].task_name)));
  }
  for (std::size_t c = 0; c < all.size(); ++c) {
    clients.emplace_back([&, c] {
      for (std::size_t p = 0; p < kPrompts.size(); ++p) {
        const Json answer =
            complete({{"model", all[c].model}, {"prompt", kPrompts[p]}, {"task_name", all[c].task_name}});
        good += answer.at("choices").at(0).at("text") == expected[c][p];
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, static_cast<int>(all.size() * kPrompts.size()));
}

TEST_F(Completions, OfSeveralPromptsAndAnswersAreInOrder) {
  const Json answer = complete({{"prompt", kPrompts}, {"n", 2}});
  ASSERT_EQ(answer.at("choices").size(), 8u);
  const RoutedModel base = model(parse_router("base"));
  std::int64_t prompt_tokens = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(answer["choices"][i]["index"], i);
    EXPECT_EQ(answer["choices"][i]["text"], test::shown_text(expected_text(base, kPrompts[i / 2])));
    if (i % 2 == 0) prompt_tokens += static_cast<std::int64_t>(base.prompt_ids(kPrompts[i / 2]).size());
  }
  EXPECT_EQ(answer["usage"]["prompt_tokens"], prompt_tokens);
  EXPECT_EQ(complete({{"prompt", base.prompt_ids(kPrompts[1])}})["choices"][0]["text"],
            answer["choices"][2]["text"]);
}

TEST_F(Completions, StopAtTextsAndLengths) {
  const RoutedModel base = model(parse_router("base"));
  const std::string whole = expected_text(base, "The archer");
  const Json length = complete({{"prompt", "The archer"}});
  EXPECT_EQ(length["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(length["usage"]["completion_tokens"], 20);
  const std::string stop = whole.substr(6, 1);
  const GenerationOptions options{.max_new_tokens = 20, .stop = {stop}};
  const Json stopped = complete({{"prompt", "The archer"}, {"stop", stop}});
  EXPECT_EQ(stopped["choices"][0]["text"], test::shown_text(expected_text(base, "The archer", {}, options)));
  EXPECT_EQ(stopped["choices"][0]["finish_reason"], "stop");
}

TEST_F(Completions, StreamWhatTheyGiveWhole) {
  for (const Choice& choice : choices()) {
    Json body = {{"model", choice.model},
                 {"prompt", kPrompts[1]},
                 {"task_name", choice.task_name},
                 {"max_tokens", 20},
                 {"temperature", 0},
                 {"stream", true},
                 {"stream_options", {{"include_usage", true}}}};
    const test::HttpReply reply = server_.post("/v1/completions", body);
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.headers.at("content-type"), "text/event-stream; charset=utf-8");
    const std::vector<Json> events = test::events_of(reply);
    ASSERT_GE(events.size(), 3u);
    std::string text;
    for (std::size_t i = 0; i + 1 < events.size(); ++i) {
      EXPECT_EQ(events[i].at("id"), events[0].at("id"));
      EXPECT_EQ(events[i].at("usage"), Json());
      const Json& part = events[i].at("choices").at(0);
      text += part.at("text");
      EXPECT_EQ(part.at("finish_reason").is_null(), i + 2 < events.size());
    }
    EXPECT_EQ(events.back().at("choices"), Json::array());
    EXPECT_EQ(events.back().at("usage").at("completion_tokens"), 20);
    EXPECT_EQ(text, test::shown_text(expected_text(model(choice.router), kPrompts[1], choice.task_name)));
  }
}

TEST_F(Completions, EchoWithLogprobsScoresAsScoreDoes) {
  const std::string prompt = "An arrow flew", completion = " far over";
  for (const std::string name : {"base", "arrow"}) {
    const RoutedModel scored = model(parse_router(name));
    const std::vector<std::int32_t> ids = scored.base().tokenizer().encode(prompt + completion).ids;
    const std::size_t begin = scored.base().tokenizer().encode(prompt).ids.size();
    const ScoreRequest request{.model = scored, .prompt = {}, .completion = {}, .ids = ids, .begin = begin};
    const Score expected = score({&request, 1}).front();
    for (const int max_tokens : {0, 1}) {
      const Json answer = complete({{"model", name},
                                    {"prompt", Json::array({ids})},
                                    {"echo", true},
                                    {"logprobs", 1},
                                    {"max_tokens", max_tokens}});
      const Json& logprobs = answer["choices"][0]["logprobs"];
      ASSERT_EQ(logprobs["tokens"].size(), ids.size() + static_cast<std::size_t>(max_tokens));
      EXPECT_EQ(logprobs["token_logprobs"][0], Json());
      double sum = 0;
      bool greedy = true;
      for (std::size_t i = begin; i < ids.size(); ++i) {
        const double own = logprobs["token_logprobs"][i];
        sum += own;
        double most = own;
        for (const auto& [token, logprob] : logprobs["top_logprobs"][i].items())
          most = std::max<double>(most, logprob);
        greedy = greedy && own == most;
      }
      EXPECT_NEAR(sum, expected.logprob, 1e-4);  // float32 logits, summed
      EXPECT_EQ(greedy, expected.greedy);
      EXPECT_TRUE(answer["choices"][0]["text"].get<std::string>().starts_with(prompt + completion));
    }
  }
}

TEST_F(Completions, LogprobsOfNewTokens) {
  const Json answer = complete({{"prompt", "The archer"}, {"logprobs", 2}, {"max_tokens", 5}});
  const Json& logprobs = answer["choices"][0]["logprobs"];
  ASSERT_EQ(logprobs["tokens"].size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(logprobs["top_logprobs"][i].size(), 2u);  // a greedy token is the likeliest itself
    EXPECT_EQ(logprobs["top_logprobs"][i][logprobs["tokens"][i].get<std::string>()],
              logprobs["token_logprobs"][i]);
    EXPECT_LT(logprobs["token_logprobs"][i], 0);
  }
}

TEST_F(Completions, ASeedDecidesWhatIsDrawn) {
  const Json body = {{"prompt", "The archer"}, {"temperature", 1.5}, {"seed", 5}, {"n", 2}};
  const Json first = complete(body), again = complete(body);
  EXPECT_EQ(first["choices"], again["choices"]);
  EXPECT_NE(first["choices"][0]["text"], first["choices"][1]["text"]);
  const Json unseeded = {{"prompt", "The archer"}, {"temperature", 1.5}};
  EXPECT_NE(complete(unseeded)["choices"][0]["text"], complete(unseeded)["choices"][0]["text"]);
}

TEST_F(Completions, ARequestChoosesItsRouter) {
  RouterOptions one = parse_router("arrow");
  one.top_k = 1;
  one.temperature = 0.5;
  const Json narrow = complete(
      {{"prompt", kPrompts[1]}, {"router", {{"name", "arrow"}, {"top_k", 1}, {"temperature", 0.5}}}});
  EXPECT_EQ(narrow["choices"][0]["text"], test::shown_text(expected_text(model(one), kPrompts[1])));
  const Json kept = complete(
      {{"model", "arrow"}, {"prompt", kPrompts[1]}, {"router", {{"top_k", 1}, {"temperature", 0.5}}}});
  EXPECT_EQ(kept["choices"][0]["text"], narrow["choices"][0]["text"]);
  RouterOptions mixture = parse_router("mixture");
  set_router_setting(mixture, "mixture", "expert_0=0.75,expert_3=-0.5");
  const Json mixed = complete(
      {{"prompt", kPrompts[1]}, {"router", {{"experts", {{"expert_0", 0.75}, {"expert_3", -0.5}}}}}});
  EXPECT_EQ(mixed["choices"][0]["text"], test::shown_text(expected_text(model(mixture), kPrompts[1])));
}

TEST_F(Completions, TellTheRouting) {
  const GenerationRequest request{model(parse_router("arrow")), kPrompts[1]};
  const Generation expected = generate({&request, 1}, {.max_new_tokens = 2, .record_routing = true}).front();
  const Json answer =
      complete({{"model", "arrow"}, {"prompt", kPrompts[1]}, {"max_tokens", 2}, {"return_routing", true}});
  const Json& routing = answer["choices"][0]["routing"];
  EXPECT_EQ(routing["experts"], Json({"expert_0", "expert_1", "expert_2", "expert_3"}));
  EXPECT_EQ(routing["token_experts"], Json(expected.token_experts));
  ASSERT_EQ(routing["weights"].size(), 4u);
  for (std::size_t e = 0; e < 4; ++e)
    EXPECT_NEAR(routing["weights"][e].get<double>(), expected.expert_weights[e], 1e-5);
}

TEST_F(Completions, AStreamNamesExpertsAndSlotsOnce) {
  Json body = {{"model", "arrow"},          {"prompt", kPrompts[1]}, {"max_tokens", 4},
               {"return_routing", "slots"}, {"ignore_eos", true},    {"temperature", 0}};
  const Json whole = complete(body)["choices"][0]["routing"];
  ASSERT_GT(whole["slots"].size(), 0u);
  body["n"] = 2;
  body["stream"] = true;
  std::vector<Json> routings(2);
  for (const Json& event : test::events_of(server_.post("/v1/completions", body))) {
    const Json& choice = event["choices"][0];
    if (!choice.contains("routing")) continue;
    Json& routing = routings[choice["index"].get<std::size_t>()];
    for (const std::string name : {"experts", "slots", "weights"})
      EXPECT_EQ(choice["routing"].contains(name), routing.is_null()) << choice;
    append_routing(routing, choice["routing"]);
  }
  for (const Json& routing : routings) EXPECT_EQ(routing, whole);
}

TEST_F(Completions, SayWhatIsWrong) {
  const auto said = [&](const Json& body) { return server_.refusal("/v1/completions", body); };
  EXPECT_EQ(said({{"prompt", "a"}, {"model", "arow"}}),
            "404 model: there is no model 'arow'; did you mean 'arrow'?");
  EXPECT_EQ(said({{"prompt", "a"}, {"model", "expert:nobody"}}).substr(0, 46),
            "404 model: there is no model 'expert:nobody'; ");
  EXPECT_EQ(said({{"prompt", "a"}, {"max_tokens", 128}}),
            "400 prompt: the model's context has 128 tokens; 1 of 'prompt' and 128 new ones are more");
  EXPECT_EQ(said({{"prompt", {1, 100000}}}).substr(0, 51),
            "400 prompt: 'prompt' has the token id 100000; the m");
  EXPECT_EQ(said({{"prompt", "a"}, {"stop_token_ids", {100000}}}).substr(0, 60),
            "400 stop_token_ids: 'stop_token_ids' has the token id 100000");
  EXPECT_EQ(said({{"prompt", "a"}, {"model", "oracle"}, {"task_name", "task_9"}}).substr(0, 15),
            "400 task_name: ");
  EXPECT_EQ(said({{"prompt", "a"}, {"router", {{"name", "arow"}}}}).substr(0, 12), "400 router: ");
  EXPECT_EQ(said({{"prompt", "a"}, {"router", {{"experts", {{"nobody", 1}}}}}}).substr(0, 12),
            "400 router: ");
  EXPECT_EQ(said({{"prompt", "a"}, {"router", {{"name", "arrow"}, {"top_k", 5}}}}).substr(0, 12),
            "400 router: ");
}

}  // namespace
}  // namespace quiver
