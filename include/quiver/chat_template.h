#pragma once

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quiver/tokenizer.h"

namespace quiver {

// One message of a conversation, as transformers' templates read it.
struct ChatMessage {
  std::string role;                         // "system", "user", "assistant", "tool", ...
  std::optional<std::string> content = {};  // absent where a message only calls tools
  // A JSON object of what else a template may read of the message: "tool_calls" (whose `arguments` templates
  // expect as an object), "tool_call_id", "name", "reasoning_content"; empty: nothing.
  std::string fields = {};
};

// How the text of a conversation ends.
enum class ChatEnd {
  kAssistantTurn,  // with what begins the assistant's next message: transformers' add_generation_prompt
  kFinalMessage,   // inside the last message, which the model continues: continue_final_message
  kNothing,        // after the last message
};

struct ChatRequest {
  std::vector<ChatMessage> messages;
  std::string tools = {};      // a JSON array of JSON schemas; empty: none
  std::string variables = {};  // a JSON object of further variables ("enable_thinking"); empty: none
  ChatEnd end = ChatEnd::kAssistantTurn;
  std::optional<std::time_t> now = {};  // what a template's strftime_now writes, in local time; absent: now
};

// How a model wants conversations to be written: a Jinja template out of the model's files. Gives the text of
// transformers' `apply_chat_template`; the templates run in llama.cpp's engine. Immutable: any number of
// threads may use one object at the same time. A template is trusted as much as the model that it belongs to:
// nothing bounds its loops.
class ChatTemplate {
 public:
  // Reads the template of a base: of a Hugging Face folder `chat_template.jinja` with the named ones in
  // `additional_chat_templates/`, else `chat_template` in tokenizer_config.json; of a GGUF file
  // `tokenizer.chat_template` and `tokenizer.chat_template.NAME`. `tokenizer` is the base's, whose named
  // tokens the template may write; std::shared_ptr<const Tokenizer>(base, &base->tokenizer()) keeps a base
  // with it. Throws Error: kNotFound where the base has no template, kCorruptFile for one that is not Jinja,
  // kIo.
  static std::shared_ptr<const ChatTemplate> load(const std::filesystem::path& base,
                                                  std::shared_ptr<const Tokenizer> tokenizer);

  // A template of the user's own in place of the base's. Throws as above.
  static std::shared_ptr<const ChatTemplate> from_file(const std::filesystem::path& jinja,
                                                       std::shared_ptr<const Tokenizer> tokenizer);

  // The conversation as text, as transformers writes it with tokenize=False. Throws Error(kInvalidArgument)
  // with the template's own words where it refuses the messages (raise_exception), and where messages, tools
  // or variables are not what it can read.
  std::string render(const ChatRequest& request) const;

  // The same as token ids, complete: nothing is to be put before or after them, as a template writes
  // begin-of-text itself where the model wants it. Control tokens come from the template alone: what
  // messages, tools and variables spell ("<|im_end|>") is encoded as the letters it consists of, as
  // transformers does with sanitize_control_tokens. Throws as render().
  std::vector<std::int32_t> encode(const ChatRequest& request) const;

  struct Parts;
  explicit ChatTemplate(std::unique_ptr<const Parts> parts);
  ~ChatTemplate();

 private:
  std::unique_ptr<const Parts> parts_;
};

}  // namespace quiver
