#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "protocol/request_fields.h"

namespace quiver {

// The field `router`: a choice for this request alone, instead of the router that `model` names.
struct RouterField {
  std::string name = {};  // a router's; empty: that of the model
  std::optional<std::int64_t> top_k = {};
  std::optional<double> temperature = {};
  std::optional<std::string> combine = {};
  std::optional<std::string> prior = {};
  // Experts by name, each with the weight that it has for every token.
  std::map<std::string, double> experts = {};
};

// How tokens are chosen: OpenAI's fields, and those that vLLM adds.
struct SamplingFields {
  double temperature = 1;
  double top_p = 1;
  std::int64_t top_k = 0;  // 0: all
  double min_p = 0;
  double presence_penalty = 0, frequency_penalty = 0;
  double repetition_penalty = 1;
  std::map<std::int32_t, double> logit_bias = {};
  std::optional<std::uint64_t> seed = {};  // none: any
};

// Whether the answer comes in pieces, and whether one more piece with the usage ends them
// (`stream_options.include_usage`).
enum class StreamMode { kWhole, kPieces, kPiecesAndUsage };

// `return_routing`: false, true (by token) or "slots" (by token and layer, too).
enum class RoutingWanted { kNone, kTokens, kSlots };

// What completions and chats share.
struct GenerationFields {
  std::string model = {};  // empty: the server's first
  std::optional<RouterField> router = {};
  std::string task_name = {};
  RoutingWanted routing = RoutingWanted::kNone;
  std::int64_t n = 1;
  SamplingFields sampling = {};
  std::vector<std::string> stop = {};
  std::vector<std::int32_t> stop_ids = {};
  bool ignore_stop_tokens = false;  // `ignore_eos`
  StreamMode stream = StreamMode::kWhole;
};

// Reads them; all but the number of new tokens, which has another name in each. Throws ApiError 400.
GenerationFields read_generation_fields(RequestFields& fields);

}  // namespace quiver
