#include "server/sequence_request.h"

#include <random>

#include "protocol/api_error.h"
#include "server/prompt_input.h"

namespace quiver {
namespace {

std::uint64_t any_seed() {
  thread_local std::mt19937_64 random{(static_cast<std::uint64_t>(std::random_device{}()) << 32) ^
                                      std::random_device{}()};
  return random();
}

// A task that no expert covers is said now, while there is no answer yet.
void check_task(const RoutedModel& model, const std::string& task_name) {
  if (model.looks_at_prompts()) return;
  try {
    static_cast<void>(model.bind({}, task_name));
  } catch (const Error& error) {
    throw ApiError(400, api_error_of(error).what(), "task_name");
  }
}

}  // namespace

void check_sequences(std::size_t prompts, std::int64_t copies, std::int64_t most) {
  const std::int64_t wanted = static_cast<std::int64_t>(prompts) * copies;
  if (wanted <= most) return;
  throw ApiError(400,
                 "the request asks for " + std::to_string(wanted) + " answers, this server takes at most " +
                     std::to_string(most) + " at once",
                 copies > 1 ? "n" : "prompt");
}

SequenceRequest sequence_request(const GenerationFields& fields, const RoutedModel& model,
                                 std::vector<std::int32_t> prompt, std::int64_t max_new_tokens,
                                 std::optional<std::int64_t> top_logprobs, std::int64_t copy) {
  check_task(model, fields.task_name);
  check_ids(model.base(), fields.stop_ids, "stop_token_ids");
  const SamplingFields& asked = fields.sampling;
  std::vector<std::int32_t> biased;
  for (const auto& [id, bias] : asked.logit_bias) biased.push_back(id);
  check_ids(model.base(), biased, "logit_bias");
  return {.model = model,
          .prompt = std::move(prompt),
          .task_name = fields.task_name,
          .max_new_tokens = max_new_tokens,
          .sampling = {.temperature = asked.temperature,
                       .top_p = asked.top_p,
                       .top_k = asked.top_k,
                       .min_p = asked.min_p,
                       .presence_penalty = asked.presence_penalty,
                       .frequency_penalty = asked.frequency_penalty,
                       .repetition_penalty = asked.repetition_penalty,
                       .logit_bias = asked.logit_bias,
                       .seed = asked.seed ? *asked.seed + static_cast<std::uint64_t>(copy) : any_seed()},
          .stop = fields.stop,
          .stop_ids = fields.stop_ids,
          .ignore_stop_tokens = fields.ignore_stop_tokens,
          .top_logprobs = top_logprobs,
          .routing = fields.routing == RoutingWanted::kNone ? RoutingRecord::kNone : RoutingRecord::kSlots};
}

}  // namespace quiver
