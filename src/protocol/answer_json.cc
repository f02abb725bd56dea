#include "protocol/answer_json.h"

#include <algorithm>
#include <cstdio>

#include "text/utf8.h"

namespace quiver {
namespace {

// JSON has no infinity.
double shown_logprob(double logprob) { return std::max(logprob, -9999.0); }

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

Json bytes_json(const std::string& bytes) {
  Json list = Json::array();
  for (const char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return list;
}

Json chat_token(const std::string& bytes, double logprob) {
  return {{"token", token_label(bytes)}, {"logprob", shown_logprob(logprob)}, {"bytes", bytes_json(bytes)}};
}

}  // namespace

std::string token_label(const std::string& bytes) {
  if (valid_utf8_prefix(bytes) == bytes.size()) return bytes;
  std::string label = "bytes:";
  for (const char c : bytes) {
    char text[8];
    std::snprintf(text, sizeof text, "\\x%02x", static_cast<unsigned char>(c));
    label += text;
  }
  return label;
}

Json CompletionLogprobs::next(const std::vector<ShownToken>& tokens) {
  Json texts = Json::array(), logprobs = Json::array(), tops = Json::array(), offsets = Json::array();
  for (const ShownToken& token : tokens) {
    texts.push_back(token_label(token.bytes));
    logprobs.push_back(token.logprob ? Json(shown_logprob(*token.logprob)) : Json());
    Json top = Json::object();
    for (const auto& [bytes, logprob] : token.top) top.emplace(token_label(bytes), shown_logprob(logprob));
    if (token.logprob) top.emplace(texts.back(), shown_logprob(*token.logprob));
    tops.push_back(token.logprob ? top : Json());
    offsets.push_back(offset_);
    offset_ += static_cast<std::size_t>(std::ranges::count_if(token.bytes, begins_character));
  }
  return {{"tokens", texts}, {"token_logprobs", logprobs}, {"top_logprobs", tops}, {"text_offset", offsets}};
}

Json chat_logprobs(const std::vector<ShownToken>& tokens) {
  Json content = Json::array();
  for (const ShownToken& token : tokens) {
    Json entry = chat_token(token.bytes, token.logprob.value_or(0));
    entry["top_logprobs"] = Json::array();
    for (const auto& [bytes, logprob] : token.top)
      entry["top_logprobs"].push_back(chat_token(bytes, logprob));
    content.push_back(std::move(entry));
  }
  return {{"content", content}, {"refusal", nullptr}};
}

Json to_json(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.new_tokens},
          {"total_tokens", usage.prompt_tokens + usage.new_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
}

Json answer_json(const AnswerHead& head, Json choices) {
  return {{"id", head.id},
          {"object", head.object},
          {"created", head.created},
          {"model", head.model},
          {"system_fingerprint", head.system_fingerprint},
          {"choices", std::move(choices)}};
}

std::string event_text(const Json& json) { return "data: " + dump_json(json) + "\n\n"; }

}  // namespace quiver
