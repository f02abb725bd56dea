#include "protocol/token_requests.h"

#include "protocol/api_error.h"

namespace quiver {

TokenizeRequest TokenizeRequest::parse(const OrderedJson& body) {
  RequestFields fields(body);
  TokenizeRequest request{.model = fields.text("model").value_or("")};
  std::optional<std::string> prompt = fields.text("prompt");
  if (!prompt) prompt = fields.text("content");  // llama.cpp's name
  const bool has_messages = fields.value("messages") != nullptr;
  if (prompt.has_value() == has_messages)
    throw ApiError(400, "one of 'prompt' and 'messages' is needed", "prompt");
  if (prompt) {
    request.input = *std::move(prompt);
  } else {
    request.input = read_chat_fields(fields);
  }
  // A chat template writes what a text begins with itself.
  request.add_special_tokens = fields.flag("add_special_tokens").value_or(!has_messages);
  if (fields.flag("return_token_strs").value_or(false)) request.answer = Answer::kIdsAndTexts;
  fields.finish();
  return request;
}

DetokenizeRequest DetokenizeRequest::parse(const OrderedJson& body) {
  RequestFields fields(body);
  DetokenizeRequest request{.model = fields.text("model").value_or(""), .tokens = fields.ids("tokens")};
  if (fields.value("tokens") == nullptr) throw ApiError(400, "'tokens' is missing", "tokens");
  fields.finish();
  return request;
}

TemplateRequest TemplateRequest::parse(const OrderedJson& body) {
  RequestFields fields(body);
  TemplateRequest request{.model = fields.text("model").value_or(""), .chat = read_chat_fields(fields)};
  fields.finish();
  return request;
}

EmbeddingRequest EmbeddingRequest::parse(const OrderedJson& body) {
  RequestFields fields(body);
  EmbeddingRequest request{.model = fields.text("model").value_or("")};
  request.inputs = read_prompts(fields, "input");
  const std::string format = fields.text("encoding_format").value_or("float");
  if (format != "float" && format != "base64") fields.refuse("encoding_format", "\"float\" or \"base64\"");
  if (format == "base64") request.format = Format::kBase64;
  if (fields.value("dimensions") != nullptr)
    throw ApiError(400,
                   "'dimensions' is not supported: an embedding has as many numbers as the model is wide",
                   "dimensions");
  fields.ignore({"user"});
  fields.finish();
  return request;
}

}  // namespace quiver
