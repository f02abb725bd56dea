#include "server/routing_json.h"

#include <ATen/ATen.h>

#include <cmath>

namespace quiver {
namespace {

Json pairs(const float* weights, std::int64_t experts) {
  Json list = Json::array();
  for (std::int64_t e = 0; e < experts; ++e) {
    const double weight = std::round(static_cast<double>(weights[e]) * 1e4) / 1e4;
    if (weight != 0) list.push_back({e, weight});
  }
  return list;
}

// Without ATen, which would start threads for it.
std::vector<float> mean_over_slots(const float* weights, std::int64_t slots, std::int64_t experts) {
  std::vector<float> mean(static_cast<std::size_t>(experts));
  for (std::int64_t i = 0; i < slots * experts; ++i)
    mean[static_cast<std::size_t>(i % experts)] += weights[i] / static_cast<float>(slots);
  return mean;
}

}  // namespace

Json routing_json(const SequenceEvent& event, RoutingDetail detail) {
  const bool has_prompt = !event.expert_weights.empty() || !event.token_experts.empty();
  if (!has_prompt && !event.routing.defined()) return nullptr;
  Json routing = Json::object();
  if (has_prompt) {
    routing["weights"] = event.expert_weights;
    routing["token_experts"] = event.token_experts;
  }
  if (!event.routing.defined()) return routing;
  const at::Tensor weights = event.routing.to(at::kFloat).contiguous();  // (rows, slots, E)
  const std::int64_t rows = weights.size(0), slots = weights.size(1), count = weights.size(2);
  const float* const values = weights.const_data_ptr<float>();
  routing["tokens"] = Json::array();
  for (std::int64_t row = 0; row < rows; ++row)
    routing["tokens"].push_back(
        pairs(mean_over_slots(values + row * slots * count, slots, count).data(), count));
  if (detail == RoutingDetail::kTokens) return routing;
  Json& token_slots = routing["token_slots"] = Json::array();
  for (std::int64_t row = 0; row < rows; ++row) {
    Json list = Json::array();
    for (std::int64_t slot = 0; slot < slots; ++slot)
      list.push_back(pairs(values + (row * slots + slot) * count, count));
    token_slots.push_back(std::move(list));
  }
  return routing;
}

void append_routing(Json& routing, const Json& later) {
  if (later.is_null()) return;
  if (routing.is_null()) {
    routing = later;
    return;
  }
  for (const char* const name : {"tokens", "token_slots"}) {
    if (!later.contains(name)) continue;
    for (const Json& row : later.at(name)) routing[name].push_back(row);
  }
}

}  // namespace quiver
