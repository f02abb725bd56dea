#pragma once

#include "core/json.h"
#include "quiver/decoding.h"

namespace quiver {

// The field `routing` of a choice, of one event of its sequence, but for the names: `experts`, by whose place
// the other fields name experts, and `slots`, the paths of the adapted layers. These are the job's to add.
//   weights        of each, the mean over the prompt's tokens and the slots   (first event)
//   token_experts  the one with most weight for each token of the prompt, -1: none   (first event)
//   tokens         for every token that was run [[expert, weight], ...], the mean over the slots
//   token_slots    for every token and slot [[expert, weight], ...]   (RoutingDetail::kSlots)
// Weights of 0 are left out of lists of pairs, others have 4 digits behind the point. Null where the event
// says nothing of routing.
enum class RoutingDetail { kTokens, kSlots };
Json routing_json(const SequenceEvent& event, RoutingDetail detail);

// Puts the lists of a later event behind those of the ones before.
void append_routing(Json& routing, const Json& later);

}  // namespace quiver
