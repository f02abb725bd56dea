#pragma once

#include <memory>
#include <vector>

#include "http/http_message.h"
#include "protocol/generation_fields.h"
#include "server/answer_writer.h"
#include "server/routing_json.h"
#include "server/server_context.h"

namespace quiver {

// One choice of an answer.
struct PlannedSequence {
  SequenceRequest request;
  std::string beginning = {};  // `echo`: the prompt's text, which the answer's begins with
  bool counts_prompt = true;   // in the usage; not for the second answer to one prompt
};

struct GenerationPlan {
  std::vector<PlannedSequence> sequences;  // by the choices' index
  std::unique_ptr<AnswerWriter> writer;
  StreamMode stream = StreamMode::kWhole;
  RoutingDetail routing = RoutingDetail::kTokens;  // of sequences that record it
  std::vector<std::string> adapters = {};          // as adapters_of()
};

// A plan without sequences yet.
GenerationPlan new_plan(const GenerationFields& fields, std::unique_ptr<AnswerWriter> writer);
AnswerIdentity identity_of(const RoutedModel& model, const std::string& name, bool has_logprobs);

// Runs the sequences in the engine and answers the exchange with what they become, piece by piece or whole;
// ends them when the client leaves or their time is over. Returns at once. Throws ApiError where the engine
// does not take them.
void start_generation(ServerContext& context, std::shared_ptr<HttpExchange> exchange, GenerationPlan plan);

}  // namespace quiver
