// Damaged requests beside good ones: each gets an error of OpenAI's shape or a closed connection, and nothing
// else suffers.

#include <random>

#include "server/server_fixture.h"

namespace quiver {
namespace {

TEST(ServerGarbage, HurtsNobodyElse) {
  const test::RunningServer server;
  const Json good = {{"prompt", "The archer"}, {"max_tokens", 20}, {"temperature", 0}};
  const Json expected = server.answer("/v1/completions", good).at("choices");
  std::atomic<bool> is_over = false;
  std::atomic<int> answered = 0, wrong = 0;
  std::thread client([&] {
    while (!is_over) {
      const test::HttpReply reply = server.post("/v1/completions", good);
      const bool is_right = reply.status == 200 && Json::parse(reply.body).at("choices") == expected;
      ++(is_right ? answered : wrong);
    }
  });
  const std::vector<std::string> bodies = {
      R"({"model":"arrow","prompt":["a","b"],"max_tokens":3,"temperature":0.5,"logprobs":5,"stream":true})",
      R"({"prompt":[[1,2],[3]],"max_tokens":2,"echo":true,"logprobs":1,"router":{"name":"arrow","top_k":1}})",
      R"({"prompt":"a","max_tokens":2,"n":3,"return_routing":"slots","logit_bias":{"7":-100},"stop":["x"]})"};
  const std::vector<std::string> pieces = {"null",          "-1", "[]", "{}", "\"\"", "1e9", "\xff",
                                           "\"phatgoose\"", "[[["};
  std::mt19937 random(3);
  const auto below = [&](std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random);
  };
  for (int i = 0; i < 300; ++i) {
    std::string body = bodies[below(bodies.size())];
    const std::size_t at = below(body.size());
    if (below(2) == 0) {
      body.replace(at, below(5), pieces[below(pieces.size())]);
    } else {
      body[at] = static_cast<char>(below(256));
    }
    test::HttpClient broken(server.port());
    broken.send(test::post_text("/v1/completions", body));
    if (i % 5 == 0) {
      broken.reset();
      continue;
    }
    const test::HttpReply reply = broken.read();
    if (reply.status == 200) continue;
    EXPECT_TRUE(reply.status == 400 || reply.status == 404) << reply.status << body << reply.body;
    EXPECT_FALSE(Json::parse(reply.body).at("error").at("message").get<std::string>().empty());
  }
  is_over = true;
  client.join();
  EXPECT_GT(answered, 0);
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace quiver
