#include "server/answer_writer.h"

#include <array>
#include <chrono>
#include <map>
#include <random>
#include <set>

namespace quiver {
namespace {

std::string random_id(const std::string& prefix) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016llx%08llx", static_cast<unsigned long long>(random()),
                static_cast<unsigned long long>(random() & 0xffffffff));
  return prefix + text.data();
}

std::int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

AnswerHead new_head(const AnswerIdentity& identity, const std::string& prefix, const std::string& object) {
  return {random_id(prefix), object, now_seconds(), identity.model, identity.system_fingerprint};
}

Json reason_json(const ChoicePart& part) { return part.finish_reason ? Json(*part.finish_reason) : Json(); }

void add_routing(Json& choice, const ChoicePart& part) {
  if (!part.routing.is_null()) choice["routing"] = part.routing;
}

class CompletionWriter : public AnswerWriter {
 public:
  explicit CompletionWriter(const AnswerIdentity& identity)
      : has_logprobs_(identity.has_logprobs), head_(new_head(identity, "cmpl-", "text_completion")) {}

  bool has_logprobs() const override { return has_logprobs_; }
  // As vLLM: lm-evaluation-harness counts on one token behind the prompt's, whichever it is.
  bool shows_stop_token() const override { return true; }
  AnswerHead head() const override { return head_; }
  AnswerHead chunk_head() const override { return head_; }
  Json choice(const ChoicePart& part) override {
    Json choice = {{"index", part.index},
                   {"text", part.text},
                   {"logprobs", has_logprobs_ ? logprobs_[part.index].next(part.tokens) : Json()},
                   {"finish_reason", reason_json(part)}};
    add_routing(choice, part);
    return choice;
  }
  std::vector<Json> chunks(const ChoicePart& part) override { return {choice(part)}; }

 private:
  const bool has_logprobs_;
  const AnswerHead head_;
  std::map<std::int64_t, CompletionLogprobs> logprobs_;
};

class ChatWriter : public AnswerWriter {
 public:
  explicit ChatWriter(const AnswerIdentity& identity)
      : has_logprobs_(identity.has_logprobs), head_(new_head(identity, "chatcmpl-", "chat.completion")) {}

  bool has_logprobs() const override { return has_logprobs_; }
  bool shows_stop_token() const override { return false; }  // no part of the message
  AnswerHead head() const override { return head_; }
  AnswerHead chunk_head() const override {
    AnswerHead head = head_;
    head.object = "chat.completion.chunk";
    return head;
  }
  Json choice(const ChoicePart& part) override {
    Json choice = {{"index", part.index},
                   {"message", {{"role", "assistant"}, {"content", part.text}, {"refusal", nullptr}}},
                   {"logprobs", has_logprobs_ ? chat_logprobs(part.tokens) : Json()},
                   {"finish_reason", reason_json(part)}};
    add_routing(choice, part);
    return choice;
  }
  std::vector<Json> chunks(const ChoicePart& part) override {
    std::vector<Json> chunks;
    if (begun_.insert(part.index).second)
      chunks.push_back(chunk(part.index, {{"role", "assistant"}, {"content", ""}}));
    Json delta = Json::object();
    if (!part.text.empty() || (!part.finish_reason && !part.tokens.empty())) delta["content"] = part.text;
    Json last = chunk(part.index, delta);
    if (has_logprobs_ && !part.tokens.empty()) last["logprobs"] = chat_logprobs(part.tokens);
    last["finish_reason"] = reason_json(part);
    add_routing(last, part);
    chunks.push_back(std::move(last));
    return chunks;
  }

 private:
  static Json chunk(std::int64_t index, const Json& delta) {
    return {{"index", index}, {"delta", delta}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
  }

  const bool has_logprobs_;
  const AnswerHead head_;
  std::set<std::int64_t> begun_;
};

}  // namespace

std::unique_ptr<AnswerWriter> completion_writer(const AnswerIdentity& identity) {
  return std::make_unique<CompletionWriter>(identity);
}
std::unique_ptr<AnswerWriter> chat_writer(const AnswerIdentity& identity) {
  return std::make_unique<ChatWriter>(identity);
}

}  // namespace quiver
