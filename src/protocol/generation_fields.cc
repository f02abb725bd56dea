#include "protocol/generation_fields.h"

#include <cmath>

#include "protocol/api_error.h"

namespace quiver {
namespace {

constexpr std::int64_t kMostAnswers = 128;
constexpr std::size_t kMostStops = 4;  // as OpenAI

// OpenAI's fields that nothing here depends on.
const std::vector<std::string> kWithoutEffect = {"user",
                                                 "metadata",
                                                 "store",
                                                 "service_tier",
                                                 "safety_identifier",
                                                 "prompt_cache_key",
                                                 "prompt_cache_retention"};

std::map<std::int32_t, double> read_logit_bias(RequestFields& fields) {
  const OrderedJson* const value = fields.value("logit_bias");
  std::map<std::int32_t, double> bias;
  if (value == nullptr) return bias;
  const std::string wanted = "an object of numbers from -100 to 100 by token id";
  if (!value->is_object()) fields.refuse("logit_bias", wanted);
  for (const auto& [name, number] : value->items()) {
    const bool is_id =
        !name.empty() && name.size() <= 9 && name.find_first_not_of("0123456789") == std::string::npos;
    if (!is_id || !number.is_number() || !(std::abs(number.get<double>()) <= 100))
      fields.refuse("logit_bias", wanted);
    bias[std::stoi(name)] = number.get<double>();
  }
  return bias;
}

SamplingFields read_sampling(RequestFields& fields) {
  SamplingFields sampling;
  sampling.temperature = fields.number("temperature", {0, 100}).value_or(1);
  sampling.top_p = fields.number("top_p", {0, 1}).value_or(1);
  if (sampling.top_p == 0) fields.refuse("top_p", "a number above 0 and at most 1");
  sampling.top_k = std::max<std::int64_t>(0, fields.whole("top_k", -1, 1 << 30).value_or(0));
  sampling.min_p = fields.number("min_p", {0, 1}).value_or(0);
  sampling.presence_penalty = fields.number("presence_penalty", {-2, 2}).value_or(0);
  sampling.frequency_penalty = fields.number("frequency_penalty", {-2, 2}).value_or(0);
  sampling.repetition_penalty = fields.number("repetition_penalty", {0.01, 100}).value_or(1);
  sampling.logit_bias = read_logit_bias(fields);
  if (const auto seed = fields.whole("seed", std::numeric_limits<std::int64_t>::min()))
    sampling.seed = static_cast<std::uint64_t>(*seed);
  return sampling;
}

std::optional<RouterField> read_router(RequestFields& fields) {
  const OrderedJson* const value = fields.value("router");
  if (value == nullptr) return std::nullopt;
  RouterField router;
  if (value->is_string()) {
    router.name = value->get<std::string>();
    return router;
  }
  if (!value->is_object()) fields.refuse("router", "an object or a router's name");
  RequestFields inner(*value, "router.");
  router.name = inner.text("name").value_or("");
  router.top_k = inner.whole("top_k", 0, 1 << 20);
  router.temperature = inner.number("temperature", {1e-6, 1e6});
  router.combine = inner.text("combine");
  router.prior = inner.text("prior");
  if (const OrderedJson* const experts = inner.value("experts")) {
    const std::string wanted = "an object of numbers by expert";
    if (!experts->is_object() || experts->empty()) inner.refuse("experts", wanted);
    for (const auto& [name, weight] : experts->items()) {
      if (!weight.is_number()) inner.refuse("experts", wanted);
      router.experts[name] = weight.get<double>();
    }
  }
  inner.finish();
  if (router.experts.empty()) return router;
  if (!router.name.empty() || router.top_k || router.temperature || router.combine || router.prior)
    throw ApiError(
        400,
        "'router.experts' gives every expert's weight itself: no other field of 'router' may stand beside it",
        "router.experts");
  return router;
}

RoutingWanted read_routing(RequestFields& fields) {
  const OrderedJson* const value = fields.value("return_routing");
  if (value == nullptr || *value == false) return RoutingWanted::kNone;
  if (*value == "slots") return RoutingWanted::kSlots;
  if (*value != true) fields.refuse("return_routing", "true, false or \"slots\"");
  return RoutingWanted::kTokens;
}

StreamMode read_stream(RequestFields& fields) {
  const bool is_wanted = fields.flag("stream").value_or(false);
  const StreamMode pieces = is_wanted ? StreamMode::kPieces : StreamMode::kWhole;
  const OrderedJson* const options = fields.value("stream_options");
  if (options == nullptr) return pieces;
  if (!is_wanted) throw ApiError(400, "'stream_options' needs 'stream': true", "stream_options");
  if (!options->is_object()) fields.refuse("stream_options", "an object");
  RequestFields inner(*options, "stream_options.");
  const bool has_usage = inner.flag("include_usage").value_or(false);
  inner.ignore({"include_obfuscation"});
  inner.finish();
  return has_usage ? StreamMode::kPiecesAndUsage : pieces;
}

}  // namespace

GenerationFields read_generation_fields(RequestFields& fields) {
  GenerationFields result;
  result.model = fields.text("model").value_or("");
  result.router = read_router(fields);
  result.task_name = fields.text("task_name").value_or("");
  result.routing = read_routing(fields);
  result.n = fields.whole("n", 1, kMostAnswers).value_or(1);
  result.sampling = read_sampling(fields);
  result.stop = fields.texts("stop", kMostStops);
  for (const std::string& stop : result.stop) {
    if (stop.empty()) fields.refuse("stop", "without an empty string");
  }
  result.stop_ids = fields.ids("stop_token_ids");
  result.ignore_stop_tokens = fields.flag("ignore_eos").value_or(false);
  result.stream = read_stream(fields);
  fields.ignore(kWithoutEffect);
  return result;
}

}  // namespace quiver
