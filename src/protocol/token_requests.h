#pragma once

#include <variant>

#include "protocol/chat_request.h"
#include "protocol/completion_request.h"

namespace quiver {

// The body of POST /tokenize: a prompt, or messages for the chat template.
struct TokenizeRequest {
  std::string model = {};
  std::variant<std::string, ChatFields> input = {};
  bool add_special_tokens = true;                                  // begin-of-text before a prompt
  enum class Answer { kIds, kIdsAndTexts } answer = Answer::kIds;  // `return_token_strs`

  static TokenizeRequest parse(const OrderedJson& body);
};

// The body of POST /detokenize.
struct DetokenizeRequest {
  std::string model = {};
  std::vector<std::int32_t> tokens = {};

  static DetokenizeRequest parse(const OrderedJson& body);
};

// The body of POST /apply-template.
struct TemplateRequest {
  std::string model = {};
  ChatFields chat = {};

  static TemplateRequest parse(const OrderedJson& body);
};

// The body of POST /v1/embeddings.
struct EmbeddingRequest {
  std::string model = {};
  std::vector<PromptField> inputs = {};  // one at least
  enum class Format { kNumbers, kBase64 } format = Format::kNumbers;

  static EmbeddingRequest parse(const OrderedJson& body);
};

}  // namespace quiver
