#include "server/routing_json.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace quiver {
namespace {

TEST(RoutingJson, GivesTokensAndSlots) {
  SequenceEvent event;
  event.expert_weights = {0.25, 0.75};
  event.token_experts = {1};
  event.routing = at::tensor({0.5, 0.5, 0.0, 1.0}).view({1, 2, 2});  // a token, two slots
  const Json tokens = routing_json(event, RoutingDetail::kTokens);
  EXPECT_EQ(tokens, Json::parse(R"({"weights": [0.25, 0.75], "token_experts": [1],
                                    "tokens": [[[0, 0.25], [1, 0.75]]]})"));
  Json slots = routing_json(event, RoutingDetail::kSlots);
  EXPECT_EQ(slots.at("token_slots"), Json::parse("[[[[0, 0.5], [1, 0.5]], [[1, 1.0]]]]"));
  SequenceEvent later;
  later.routing = at::tensor({0.33333, 0.0, 0.0, 0.0}).view({1, 2, 2});
  append_routing(slots, routing_json(later, RoutingDetail::kSlots));
  EXPECT_EQ(slots.at("tokens"), Json::parse("[[[0, 0.25], [1, 0.75]], [[0, 0.1667]]]"));
  EXPECT_EQ(slots.at("token_slots")[1], Json::parse("[[[0, 0.3333]], []]"));
  EXPECT_EQ(slots.at("weights"), Json::parse("[0.25, 0.75]"));
  EXPECT_EQ(routing_json({}, RoutingDetail::kSlots), Json());
}

}  // namespace
}  // namespace quiver
