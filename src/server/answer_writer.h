#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/answer_json.h"

namespace quiver {

// A part of one choice, or all of it.
struct ChoicePart {
  std::int64_t index = 0;
  std::string text = {};
  std::vector<ShownToken> tokens = {};
  std::optional<std::string> finish_reason = {};
  Json routing = {};  // null: not asked for
};

// The form of an endpoint's answers. Of one request, whose parts come in the order of their texts.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;

  virtual bool has_logprobs() const = 0;
  // Whether the token that ended the text is one of its `logprobs`.
  virtual bool shows_stop_token() const = 0;
  virtual AnswerHead head() const = 0;        // of the whole answer
  virtual AnswerHead chunk_head() const = 0;  // of an answer in chunks
  virtual Json choice(const ChoicePart& whole) = 0;
  // One of a stream; the first of a choice may say more.
  virtual std::vector<Json> chunks(const ChoicePart& part) = 0;
};

// What answers say of themselves.
struct AnswerIdentity {
  std::string model;
  std::string system_fingerprint;
  bool has_logprobs = false;
};
std::unique_ptr<AnswerWriter> completion_writer(const AnswerIdentity& identity);
std::unique_ptr<AnswerWriter> chat_writer(const AnswerIdentity& identity);

}  // namespace quiver
