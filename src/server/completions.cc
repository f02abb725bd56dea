#include "server/completions.h"

#include "protocol/request_json.h"
#include "server/generation_job.h"
#include "server/model_choice.h"
#include "server/prompt_input.h"
#include "server/sequence_request.h"

namespace quiver {
namespace {

void answer_completion(ServerContext& context, const std::shared_ptr<HttpExchange>& exchange) {
  const CompletionRequest request = CompletionRequest::parse(parse_request(exchange->request().body));
  const GenerationFields& common = request.common;
  const RoutedModel model = choose_model(context, common.model, common.router);
  const std::string name = shown_model(context, common.model);
  exchange->note("model", name);
  GenerationPlan plan =
      new_plan(common, completion_writer(identity_of(model, name, request.logprobs.has_value())));
  plan.adapters = adapters_of(context, common.model, model);
  check_sequences(request.prompts.size(), common.n, context.most_sequences);
  for (const PromptField& prompt : request.prompts) {
    const std::vector<std::int32_t> ids =
        prompt_input(model, prompt, request.echo ? PromptReading::kAsItStands : PromptReading::kToContinue);
    check_length(model.base(), ids.size(), request.max_tokens, "prompt");
    for (std::int64_t copy = 0; copy < common.n; ++copy) {
      PlannedSequence planned{
          .request = sequence_request(common, model, ids, request.max_tokens, request.logprobs, copy),
          .counts_prompt = copy == 0};
      planned.request.prompt_logprobs = request.echo && request.logprobs;
      if (request.echo) planned.beginning = prompt_text(model, prompt);
      plan.sequences.push_back(std::move(planned));
    }
  }
  start_generation(context, exchange, std::move(plan));
}

}  // namespace

void add_completion_route(Routes& routes, ServerContext& context) {
  routes.add({"POST", "/v1/completions", [&context](const std::shared_ptr<HttpExchange>& exchange) {
                answer_completion(context, exchange);
              }});
}

}  // namespace quiver
