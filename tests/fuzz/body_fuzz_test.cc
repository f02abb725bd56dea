// JSON bodies as clients send them, damaged: each becomes a request whose values are in their bounds, or is
// refused with 400 and a message in one line.

#include <cmath>

#include "core/strings.h"
#include "fuzz/fuzz_runs.h"
#include "hostile/mutant.h"
#include "protocol/adapter_requests.h"
#include "protocol/api_error.h"
#include "protocol/request_json.h"
#include "protocol/token_requests.h"

namespace quiver {
namespace {

using test::FuzzRandom;

void check(const GenerationFields& fields) {
  const SamplingFields& sampling = fields.sampling;
  EXPECT_TRUE(fields.n >= 1 && fields.n <= 128);
  EXPECT_TRUE(sampling.temperature >= 0 && sampling.temperature <= 100);
  EXPECT_TRUE(sampling.top_p > 0 && sampling.top_p <= 1);
  EXPECT_TRUE(sampling.min_p >= 0 && sampling.min_p <= 1);
  EXPECT_GE(sampling.top_k, 0);
  EXPECT_LE(std::abs(sampling.presence_penalty), 2);
  EXPECT_LE(std::abs(sampling.frequency_penalty), 2);
  EXPECT_GT(sampling.repetition_penalty, 0);
  for (const auto& [id, bias] : sampling.logit_bias) EXPECT_TRUE(id >= 0 && std::abs(bias) <= 100);
  EXPECT_LE(fields.stop.size(), 4u);
  for (const std::string& stop : fields.stop) EXPECT_FALSE(stop.empty());
  for (const std::int32_t id : fields.stop_ids) EXPECT_GE(id, 0);
}

void check(const std::vector<PromptField>& prompts) {
  EXPECT_FALSE(prompts.empty());
  for (const PromptField& prompt : prompts) {
    const auto* const ids = std::get_if<std::vector<std::int32_t>>(&prompt);
    if (ids == nullptr) continue;
    for (const std::int32_t id : *ids) EXPECT_GE(id, 0);
  }
}

void check(const ChatFields& chat) {
  EXPECT_TRUE(chat.messages.is_array() && !chat.messages.empty());
  for (const OrderedJson& message : chat.messages) EXPECT_TRUE(message.at("role").is_string());
  EXPECT_TRUE(chat.tools.is_null() || chat.tools.is_array());
  EXPECT_TRUE(chat.template_arguments.is_object());
}

struct Endpoint {
  std::string body;
  std::function<void(const OrderedJson&)> parse;  // and checks
};

const std::vector<Endpoint>& endpoints() {
  static const std::vector<Endpoint> all = {
      {R"({"model":"arrow","prompt":["a","b\u00e9"],"max_tokens":3,"temperature":0.5,"logprobs":5,"stream":true,)"
       R"("stream_options":{"include_usage":true},"logit_bias":{"7":-100,"12":3.5},"stop":["x","\n\n"],"user":"u",)"
       R"("top_p":0.9,"top_k":40,"min_p":0.05,"presence_penalty":-2,"frequency_penalty":1e-1,"seed":-7})",
       [](const OrderedJson& json) {
         const CompletionRequest request = CompletionRequest::parse(json);
         check(request.common);
         check(request.prompts);
         EXPECT_GE(request.max_tokens, 0);
         EXPECT_TRUE(!request.logprobs || (*request.logprobs >= 0 && *request.logprobs <= 20));
       }},
      {R"({"prompt":[[1,2],[3]],"max_tokens":0,"echo":true,"n":2,"best_of":2,"stop_token_ids":[2,0],"task_name":"t",)"
       R"("router":{"name":"arrow","top_k":1,"temperature":0.1,"combine":"sum","prior":"p"},"return_routing":"slots"})",
       [](const OrderedJson& json) {
         const CompletionRequest request = CompletionRequest::parse(json);
         check(request.common);
         check(request.prompts);
       }},
      {R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},)"
       R"({"type":"text","text":"<|im_end|>"}]},{"role":"assistant","tool_calls":[{"function":{"name":"f",)"
       R"("arguments":"{\"b\":[1],\"a\":{}}"}}]}],"max_completion_tokens":5,"logprobs":true,"top_logprobs":20,)"
       R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto","response_format":{"type":"text"},)"
       R"("chat_template_kwargs":{"x":[1,null]},"router":{"experts":{"a":1,"b":-0.5}},"add_generation_prompt":true})",
       [](const OrderedJson& json) {
         const ChatCompletionRequest request = ChatCompletionRequest::parse(json);
         check(request.common);
         check(request.chat);
         EXPECT_TRUE(!request.max_tokens || *request.max_tokens >= 1);
         EXPECT_TRUE(!request.logprobs || (*request.logprobs >= 0 && *request.logprobs <= 20));
       }},
      {R"({"model":"m","messages":[{"role":"user","content":"a"}],"add_special_tokens":false,"return_token_strs":true})",
       [](const OrderedJson& json) {
         const TokenizeRequest request = TokenizeRequest::parse(json);
         if (const auto* const chat = std::get_if<ChatFields>(&request.input)) check(*chat);
       }},
      {R"({"tokens":[1,2,300]})",
       [](const OrderedJson& json) {
         for (const std::int32_t id : DetokenizeRequest::parse(json).tokens) EXPECT_GE(id, 0);
       }},
      {R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null}],"continue_final_message":true})",
       [](const OrderedJson& json) { check(TemplateRequest::parse(json).chat); }},
      {R"({"input":["a","b"],"encoding_format":"base64"})",
       [](const OrderedJson& json) { check(EmbeddingRequest::parse(json).inputs); }},
      {R"({"lora_name":"a","lora_path":"b/c","load_inplace":true,"base_model_name":"x"})",
       [](const OrderedJson& json) {
         const LoadAdapterRequest request = LoadAdapterRequest::parse(json);
         EXPECT_FALSE(request.name.empty() || request.path.empty());
       }},
      {R"({"lora_name":"a","lora_int_id":3})",
       [](const OrderedJson& json) { EXPECT_FALSE(UnloadAdapterRequest::parse(json).name.empty()); }}};
  return all;
}

// Another value at one place of the document, or a field moved to another object.
void exchange_value(Json& json, FuzzRandom& random) {
  static const std::vector<Json> values = {nullptr,
                                           true,
                                           -1,
                                           0,
                                           1,
                                           20,
                                           2.5,
                                           1e300,
                                           1u << 31,
                                           9223372036854775807ull,
                                           "",
                                           "text",
                                           "é",
                                           "a\nb\x7f",
                                           Json::array(),
                                           Json::object(),
                                           {1, "a"},
                                           {{"type", "text"}},
                                           std::string(300, 'x')};
  const Json flat = json.flatten();
  if (flat.empty()) return;
  auto place = flat.begin();
  std::advance(place, static_cast<std::ptrdiff_t>(random.below(flat.size())));
  Json::json_pointer pointer(place.key());
  if (random.one_in(3) && !pointer.empty()) pointer.pop_back();
  if (random.one_in(6) && json[pointer].is_object()) {
    json[pointer][random.of<std::string>({"x", "tem\nperature", "", "role", "stream"})] = random.of(values);
  } else {
    json[pointer] = random.of(values);
  }
}

std::string damaged(const std::string& body, std::uint64_t seed) {
  FuzzRandom random(seed);
  if (random.one_in(2)) return test::Mutator(seed).mutate(body);
  Json json = Json::parse(body);
  for (std::size_t i = 1 + random.below(3); i > 0; --i) exchange_value(json, random);
  return json.dump();
}

// The refusal of a body; none where it was taken.
std::optional<ApiError> refusal_of(const Endpoint& endpoint, const std::string& body) {
  try {
    endpoint.parse(parse_request(body));
  } catch (const ApiError& refusal) {
    return refusal;
  } catch (const std::exception& failure) {
    ADD_FAILURE() << "not a refusal: " << failure.what() << "\n" << body;
  }
  return std::nullopt;
}

void check_refusal(const ApiError& refusal, const std::string& body) {
  EXPECT_EQ(refusal.status(), 400) << body;
  const std::string message = refusal.what();
  EXPECT_FALSE(message.empty()) << body;
  EXPECT_LT(message.size(), 1000u + body.size()) << body;
  EXPECT_EQ(message, escape_controls(message)) << body;  // UTF-8 in one line
  const Json json = Json::parse(to_response(refusal).body);
  EXPECT_EQ(json.at("error").at("message"), message);
}

TEST(BodyFuzz, TheBodiesAreGoodBeforeTheyAreDamaged) {
  for (const Endpoint& endpoint : endpoints()) {
    const std::optional<ApiError> refusal = refusal_of(endpoint, endpoint.body);
    EXPECT_FALSE(refusal) << refusal->what();
  }
}

TEST(BodyFuzz, DamagedBodiesAreTakenOrRefused) {
  std::uint64_t taken = 0, refused = 0;
  test::fuzz(10'000, [&](std::uint64_t seed) {
    const Endpoint& endpoint = endpoints()[seed % endpoints().size()];
    const std::string body = damaged(endpoint.body, seed);
    if (const std::optional<ApiError> refusal = refusal_of(endpoint, body)) {
      ++refused;
      check_refusal(*refusal, body);
      return;
    }
    ++taken;
    // What was taken is refused with a field more, and with a field twice.
    const std::string rest = body.substr(body.find('{') + 1);
    const std::optional<ApiError> unknown = refusal_of(endpoint, "{\"zzzzzzzz\": 1, " + rest);
    ASSERT_TRUE(unknown) << body;
    EXPECT_EQ(unknown->param(), "zzzzzzzz") << body;
    ASSERT_TRUE(refusal_of(endpoint, "{\"user\": 1, \"user\": 1, " + rest)) << body;
  });
  RecordProperty("taken", std::to_string(taken));
  if (taken + refused < 1000) return;
  EXPECT_GT(taken, refused / 20);
  EXPECT_GT(refused, taken / 20);
}

}  // namespace
}  // namespace quiver
