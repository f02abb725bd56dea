// The server as a whole: what is beside completions, and how it ends.

#include <chrono>
#include <cstring>

#include "quiver/version.h"
#include "server/server_context.h"
#include "server/server_fixture.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::HttpClient;
using test::HttpReply;
using test::RunningServer;
using namespace std::chrono_literals;

TEST(Server, ListsItsModels) {
  ServerOptions options;
  options.aliases = {{"gpt", "base"}};
  const RunningServer server(options);
  const Json list = Json::parse(server.get("/v1/models").body).at("data");
  std::vector<std::string> ids;
  for (const Json& model : list) ids.push_back(model.at("id"));
  EXPECT_EQ(ids, (std::vector<std::string>{"gpt", "base", "oracle", "uniform", "arrow", "phatgoose",
                                           "expert:expert_0", "expert:expert_1", "expert:expert_2",
                                           "expert:expert_3"}));
  EXPECT_EQ(list[1]["max_model_len"], 128);
  EXPECT_EQ(list[1]["parent"], Json());
  EXPECT_EQ(list[6]["parent"], "base");
  EXPECT_EQ(Json::parse(server.get("/v1/models/expert:expert_1").body), list[7]);
  EXPECT_EQ(server.get("/v1/models/none").status, 404);
  EXPECT_EQ(server.answer("/v1/completions", {{"model", "gpt"}, {"prompt", "a"}})["model"], "gpt");
  const Json adapters = Json::parse(server.get("/lora-adapters").body);
  ASSERT_EQ(adapters.size(), 4u);
  EXPECT_EQ(adapters[3]["id"], 3);
  EXPECT_EQ(Json::parse(server.get("/version").body)["version"], kVersion);
}

TEST(Server, TokenizesAndBack) {
  const RunningServer server;
  const Tokenizer& tokenizer = test::golden_base("tiny_llama")->tokenizer();
  const Json tokens = server.answer("/tokenize", {{"prompt", "An arrow "}, {"return_token_strs", true}});
  EXPECT_EQ(tokens["tokens"], Json(tokenizer.encode("An arrow ").ids));
  EXPECT_EQ(tokens["count"], tokens["tokens"].size());
  EXPECT_EQ(tokens["token_strs"].size(), tokens["tokens"].size());
  EXPECT_EQ(server.answer("/detokenize", {{"tokens", tokens["tokens"]}})["prompt"], "An arrow ");
  EXPECT_EQ(server.refusal("/detokenize", {{"tokens", {100000}}}).substr(0, 50),
            "400 tokens: 'tokens' has the token id 100000; the ");
}

// RFC 4648's "Zm9v" and so on are of texts; these are numbers in memory's order.
std::vector<float> numbers_of_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0, count = 0;
  for (const char c : text.substr(0, text.find('='))) {
    bits = bits << 6 | static_cast<unsigned>(digits.find(c));
    if ((count += 6) >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 255);
  }
  std::vector<float> numbers(bytes.size() / sizeof(float));
  std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(float));
  return numbers;
}

TEST(Server, EmbedsTexts) {
  const RunningServer server;
  for (const std::string model : {"base", "arrow"}) {
    const Json answer = server.answer("/v1/embeddings", {{"model", model}, {"input", {"An arrow", "x"}}});
    ASSERT_EQ(answer["data"].size(), 2u);
    const RoutedModel routed = server.library().compose(model);
    RaggedBatch batch;
    batch.add(routed.base().tokenizer().encode("An arrow").ids);
    const at::Tensor expected = routed.forward(batch).mean(0);
    const auto numbers = answer["data"][0]["embedding"].get<std::vector<float>>();
    ASSERT_EQ(static_cast<std::int64_t>(numbers.size()), routed.base().shape().hidden);
    EXPECT_LT(test::max_difference(at::tensor(numbers), expected), 1e-5);
    EXPECT_EQ(answer["usage"]["prompt_tokens"], batch.tokens() + 1);
    const Json packed = server.answer(
        "/v1/embeddings", {{"model", model}, {"input", batch.ids}, {"encoding_format", "base64"}});
    EXPECT_EQ(numbers_of_base64(packed["data"][0]["embedding"]), numbers);
  }
}

TEST(Server, OpensToKeysAlone) {
  ServerOptions options;
  options.keys = ApiKeys({"one", "two"});
  const RunningServer server(options);
  EXPECT_EQ(server.get("/health").status, 200);
  HttpReply reply = server.get("/v1/models");
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(Json::parse(reply.body)["error"]["code"], "invalid_api_key");
  EXPECT_EQ(reply.headers["www-authenticate"], "Bearer");
  EXPECT_EQ(server.get("/v1/models", "Authorization: Bearer three\r\n").status, 401);
  EXPECT_EQ(server.get("/v1/models", "Authorization: Bearer two\r\n").status, 200);
  EXPECT_EQ(server.get("/nothing").status, 401);  // nor is it said what there is
  EXPECT_EQ(server.post("/v1/completions", {{"prompt", "a"}}, "Authorization: Bearer one\r\n").status, 200);
}

TEST(Server, CountsWhatItDoes) {
  const RunningServer server;
  server.answer("/v1/completions",
                {{"prompt", {5, 6, 7}}, {"max_tokens", 4}, {"temperature", 0}, {"ignore_eos", true}});
  const HttpReply reply = server.get("/metrics");
  EXPECT_EQ(reply.headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const std::string line :
       {"vllm:prompt_tokens_total{model_name=\"base\"} 3\n",
        "vllm:generation_tokens_total{model_name=\"base\"} 4\n",
        "vllm:num_requests_running{model_name=\"base\"} 0\n",
        "vllm:request_success_total{model_name=\"base\",finished_reason=\"length\"} 1\n",
        "vllm:time_to_first_token_seconds_count{model_name=\"base\"} 1\n"})
    EXPECT_NE(reply.body.find(line), std::string::npos) << line << reply.body;
}

// The value of a line of /metrics; -1: there is none.
double metric(const RunningServer& server, const std::string& line) {
  const std::string text = server.get("/metrics").body;
  const std::size_t at = text.find(line + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size()));
}

double done(const RunningServer& server, const std::string& reason) {
  return metric(server, "vllm:request_success_total{model_name=\"base\",finished_reason=\"" + reason + "\"}");
}

template <typename Condition>
bool soon(const Condition& condition) {
  const auto begin = std::chrono::steady_clock::now();
  while (!condition()) {
    if (std::chrono::steady_clock::now() - begin > 20s) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

const Json kLong = {{"prompt", "The archer"}, {"max_tokens", 110}, {"ignore_eos", true}, {"temperature", 0}};

TEST(Server, RefusesWhatItsQueueDoesNotHold) {
  const RunningServer server({.engine = {.decoding = {.max_sequences = 1}, .max_queue = 1}});
  Json many = kLong;
  many["n"] = 8;
  const HttpReply never = server.post("/v1/completions", many);
  EXPECT_EQ(never.status, 400) << never.body;
  EXPECT_NE(never.body.find("at most 2"), std::string::npos) << never.body;
  // Both places are taken while two answers stream.
  many["n"] = 2;
  many["stream"] = true;
  HttpReply refused;
  for (int attempt = 0; attempt < 20 && refused.status != 429; ++attempt) {
    HttpClient client(server.port());
    client.send(test::post_text("/v1/completions", dump_json(many)));
    client.read_some();
    refused = server.post("/v1/completions", kLong);
  }
  EXPECT_EQ(refused.status, 429) << refused.body;
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  const auto begin = std::chrono::steady_clock::now();
  HttpReply later = refused;  // what it had begun is over soon
  while (later.status == 429 && std::chrono::steady_clock::now() - begin < 20s)
    later = server.post("/v1/completions", kLong);
  EXPECT_EQ(later.status, 200);
}

TEST(Server, EndsWhatNobodyWaitsFor) {
  const RunningServer server({.engine = {.decoding = {.max_sequences = 1}}});
  for (const bool stream : {false, true}) {
    Json body = kLong;
    body["n"] = 40;
    body["stream"] = stream;
    HttpClient client(server.port());
    client.send(test::post_text("/v1/completions", dump_json(body)));
    if (stream) client.read_some();
    client.reset();
  }
  // Every sequence counts.
  EXPECT_TRUE(soon([&] { return done(server, "abort") + done(server, "length") == 80; }));
  EXPECT_GT(done(server, "abort"), 70);
  EXPECT_TRUE(soon([&] {
    return metric(server, "vllm:num_requests_running{model_name=\"base\"}") == 0 &&
           metric(server, "vllm:num_requests_waiting{model_name=\"base\"}") == 0;
  }));
}

TEST(Server, GivesUpWhatTakesTooLong) {
  const RunningServer server({.engine = {.decoding = {.max_sequences = 1}}, .request_timeout = 40ms});
  Json body = kLong;
  body["n"] = 128;
  const HttpReply late = server.post("/v1/completions", body);
  EXPECT_EQ(late.status, 504);
  EXPECT_EQ(Json::parse(late.body), Json::parse(R"json({"error": {
      "message": "the request was not done within the 0.04 s that this server gives it (--request-timeout)",
      "type": "timeout_error", "param": null, "code": "request_timeout"
}
})json"));
  EXPECT_EQ(done(server, "error") + done(server, "length"), 128);
  const double errors = done(server, "error");
  EXPECT_GT(errors, 0);
  EXPECT_LT(metric(server, "vllm:request_queue_time_seconds_count{model_name=\"base\"}"), 128);
  body["stream"] = true;
  const std::vector<Json> events = test::events_of(server.post("/v1/completions", body));
  ASSERT_GT(events.size(), 1u);
  EXPECT_EQ(events.back()["error"]["code"], "request_timeout");
  EXPECT_TRUE(events.front().contains("choices"));
  EXPECT_GT(done(server, "error"), errors);
  EXPECT_EQ(server.post("/v1/embeddings", {{"input", std::vector<std::string>(1000, "An arrow")}}).status,
            504);
  // What is in time is answered.
  EXPECT_EQ(server.post("/v1/completions", {{"prompt", "a"}, {"max_tokens", 1}}).status, 200);
}

TEST(Server, TellsWhichAdaptersAreInUse) {
  const RunningServer server({.engine = {.decoding = {.max_sequences = 1}}});
  const auto in_use = [&](const std::string& running, const std::string& waiting) {
    return metric(server, "vllm:lora_requests_info{max_lora=\"1\",running_lora_adapters=\"" + running +
                              "\",waiting_lora_adapters=\"" + waiting + "\"}") >
           std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count() - 60;
  };
  EXPECT_TRUE(in_use("", ""));
  Json body = kLong;
  body["n"] = 60;
  body["model"] = "expert:expert_1";
  HttpClient first(server.port()), second(server.port()), third(server.port());
  first.send(test::post_text("/v1/completions", dump_json(body)));
  EXPECT_TRUE(soon([&] { return in_use("expert:expert_1", "expert:expert_1"); }));
  body["model"] = "base";
  body["router"] = {{"experts", {{"expert_0", 0.5}, {"expert_2", 0.5}}}};
  second.send(test::post_text("/v1/completions", dump_json(body)));
  EXPECT_TRUE(soon([&] {
    return in_use("expert:expert_1", "expert:expert_0,expert:expert_1,expert:expert_2") ||
           in_use("expert:expert_0,expert:expert_2", "expert:expert_0,expert:expert_1,expert:expert_2");
  }));
  body["router"] = "arrow";  // of all experts: no adapter's
  third.send(test::post_text("/v1/completions", dump_json(body)));
  first.reset();
  second.reset();
  EXPECT_TRUE(soon([&] { return in_use("", ""); }));
}

TEST(Server, CountsReadersThatAreTooSlow) {
  ServerOptions options;
  options.http.limits.unsent_bytes = 1 << 14;
  const RunningServer server(options);
  Json body = kLong;
  body["n"] = 128;
  body["stream"] = true;
  body["logprobs"] = 20;  // some 30 MB, more than sockets hold
  HttpClient client(server.port());
  client.send(test::post_text("/v1/completions", dump_json(body)));
  EXPECT_TRUE(soon([&] { return done(server, "abort") > 0; }));
  EXPECT_EQ(done(server, "abort") + done(server, "length"), 128);
}

TEST(Server, SaysThatItLoads) {
  const auto library = std::make_shared<test::GoldenLibrary>();
  ServerOptions options;
  options.keys = ApiKeys({"key"});
  Server server(options);
  const auto get = [&](const std::string& path,
                       const std::string& headers = "Authorization: Bearer key\r\n") {
    return HttpClient(server.port()).get(path, headers);
  };
  EXPECT_EQ(get("/health", "").status, 503);
  EXPECT_EQ(get("/health", "").body, R"({"status":"loading"})");
  EXPECT_EQ(get("/metrics", "").status, 401);
  EXPECT_EQ(get("/metrics").status, 200);
  EXPECT_NE(get("/metrics").body.find("vllm:num_requests_running{model_name=\"base\"} 0\n"),
            std::string::npos);
  for (const std::string path : {"/v1/models", "/", "/nothing", "/version"}) {
    EXPECT_EQ(get(path, "").status, 401);
    HttpReply reply = get(path);
    EXPECT_EQ(reply.status, 503) << path;
    EXPECT_EQ(reply.headers["retry-after"], "1");
    EXPECT_EQ(Json::parse(reply.body)["error"]["message"],
              "the model is being loaded; GET /health says when it is ready");
  }
  HttpClient client(server.port());
  EXPECT_EQ(client.post("/v1/completions", "{}", "Authorization: Bearer key\r\n").status, 503);
  server.open({RunningServer::models(*library)});
  EXPECT_EQ(get("/health", "").status, 200);
  EXPECT_EQ(get("/v1/models").status, 200);
  std::atomic<bool> is_to_stop = false;
  std::thread running([&] { server.run([&] { return is_to_stop.load(); }); });
  EXPECT_EQ(HttpClient(server.port())
                .post("/v1/completions", R"({"prompt": "a"})", "Authorization: Bearer key\r\n")
                .status,
            200);
  is_to_stop = true;
  running.join();
}

TEST(Server, EndsWhereNothingCanBeLoaded) {
  std::uint16_t port = 0;
  {
    Server server(ServerOptions{});
    port = server.port();
    EXPECT_EQ(HttpClient(port).get("/health").status, 503);
  }  // as an error of the loading leaves it
  ServerOptions same;
  same.http.port = port;
  const Server next(same);
  EXPECT_EQ(next.port(), port);
}

TEST(Server, KnowsClientsByKeysAlone) {
  const HttpRequest request{
      .method = "POST", .path = "/", .headers = {{"authorization", "Bearer mine"}}, .client = "[::1]:5000"};
  EXPECT_EQ(client_of(request, true), "mine");
  EXPECT_EQ(client_of(request, false), "[::1]");  // who has no key to give could give any
}

TEST(Server, LetsWhatRunsEndWhenItStops) {
  RunningServer server;
  HttpClient client(server.port());
  Json body = kLong;
  body["stream"] = true;
  client.send(test::post_text("/v1/completions", dump_json(body)));
  std::string seen;
  while (seen.find("data: ") == std::string::npos) seen += client.read_some();
  server.stop();
  server.wait_for_end();
  while (!client.is_closed()) seen += client.read_some();
  EXPECT_NE(seen.find("\"finish_reason\":\"length\""), std::string::npos) << seen;
  EXPECT_NE(seen.find("data: [DONE]"), std::string::npos);
}

TEST(Server, CutsWhatRunsTooLong) {
  RunningServer server({.engine = {.decoding = {.max_sequences = 1}}, .drain = 100ms});
  HttpClient client(server.port());
  Json body = kLong;
  body["n"] = 128;
  client.send(test::post_text("/v1/completions", dump_json(body)));
  std::this_thread::sleep_for(50ms);
  const auto begin = std::chrono::steady_clock::now();
  server.stop();
  server.wait_for_end();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  EXPECT_NE(client.read().status, 200);
}

}  // namespace
}  // namespace quiver
