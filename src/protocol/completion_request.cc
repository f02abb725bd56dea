#include "protocol/completion_request.h"

#include "protocol/api_error.h"

namespace quiver {
namespace {

constexpr std::size_t kMostPrompts = 2048;
constexpr std::int64_t kMostLogprobs = 20;

}  // namespace

std::vector<PromptField> read_prompts(RequestFields& fields, const std::string& name) {
  const OrderedJson* const value = fields.value(name);
  if (value == nullptr) throw ApiError(400, fields.quoted(name) + " is missing", fields.full_name(name));
  const std::string wanted = "a string, a list of strings, a list of token ids, or a list of such lists";
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array() || value->empty()) fields.refuse(name, wanted);
  if (value->front().is_number()) {
    std::optional<std::vector<std::int32_t>> ids = token_ids_of(*value);
    if (!ids) fields.refuse(name, wanted);
    return {*std::move(ids)};
  }
  if (value->size() > kMostPrompts)
    fields.refuse(name, "at most " + std::to_string(kMostPrompts) + " prompts");
  std::vector<PromptField> prompts;
  for (const OrderedJson& item : *value) {
    if (item.is_string() && value->front().is_string()) {
      prompts.emplace_back(item.get<std::string>());
      continue;
    }
    std::optional<std::vector<std::int32_t>> ids = token_ids_of(item);
    if (!ids || ids->empty() || value->front().is_string()) fields.refuse(name, wanted);
    prompts.emplace_back(*std::move(ids));
  }
  return prompts;
}

CompletionRequest CompletionRequest::parse(const OrderedJson& body) {
  RequestFields fields(body);
  CompletionRequest request{.common = read_generation_fields(fields)};
  request.prompts = read_prompts(fields, "prompt");
  request.max_tokens = fields.whole("max_tokens", 0).value_or(16);
  request.logprobs = fields.whole("logprobs", 0, kMostLogprobs);
  request.echo = fields.flag("echo").value_or(false);
  if (!fields.text("suffix").value_or("").empty())
    throw ApiError(400, "'suffix' is not supported: these models continue a text, they do not fill one in",
                   "suffix");
  if (fields.whole("best_of", 1).value_or(request.common.n) != request.common.n)
    throw ApiError(400, "'best_of' other than 'n' is not supported", "best_of");
  fields.finish();
  if (request.max_tokens == 0 && !request.echo)
    throw ApiError(400, "'max_tokens' of 0 without 'echo' asks for nothing", "max_tokens");
  return request;
}

}  // namespace quiver
