#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "quiver/decoding.h"

namespace quiver {

// The field `routing` of a choice, of one event of its sequence:
//   experts        names; the other fields name experts by their place in this list
//   weights        of each, the mean over the prompt's tokens and the slots   (first event)
//   token_experts  the one with most weight for each token of the prompt, -1: none   (first event)
//   tokens         for every token that was run [[expert, weight], ...], the mean over the slots
//   slots          paths of the adapted layers   (where `with_slots`)
//   token_slots    for every token and slot [[expert, weight], ...]   (where `with_slots`)
// Weights of 0 are left out of lists of pairs, others have 4 digits behind the point. Null where the event
// says nothing of routing.
enum class RoutingDetail { kTokens, kSlots };
Json routing_json(const SequenceEvent& event, const std::vector<std::string>& experts,
                  const std::vector<std::string>& slots, RoutingDetail detail);

// Puts the lists of a later event behind those of the ones before.
void append_routing(Json& routing, const Json& later);

}  // namespace quiver
