#include "quiver/chat_template.h"

#include <map>

#include "chat/template_files.h"
#include "chat/template_variables.h"
#include "core/strings.h"

namespace fs = std::filesystem;

namespace quiver {

struct ChatTemplate::Parts {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::map<std::string, JinjaProgram> programs;  // by name; never empty
};

namespace {

constexpr char kWhiteSpace[] = " \t\n\v\f\r";

std::unique_ptr<const ChatTemplate::Parts> parse_all(const std::map<std::string, std::string>& sources,
                                                     const std::string& where,
                                                     std::shared_ptr<const Tokenizer> tokenizer) {
  auto parts = std::make_unique<ChatTemplate::Parts>();
  parts->tokenizer = std::move(tokenizer);
  for (const auto& [name, source] : sources)
    parts->programs.try_emplace(name, source, where + (name == "default" ? "" : ", '" + name + "'"));
  return parts;
}

// As transformers chooses among named templates.
const JinjaProgram& program_for(const ChatTemplate::Parts& parts, const ChatRequest& request) {
  for (const char* name : {"tool_use", "default"}) {
    const auto found = parts.programs.find(name);
    if (found != parts.programs.end() && (name != std::string("tool_use") || !request.tools.empty()))
      return found->second;
  }
  std::vector<std::string> names;
  for (const auto& [name, program] : parts.programs) names.push_back(name);
  throw Error(ErrorKind::kInvalidArgument,
              "the model has several chat templates and no 'default' among them: " + join(names, ", "),
              "give one with --chat-template FILE");
}

void check_continued(const ChatRequest& request, const JinjaProgram& program) {
  if (!request.messages.back().content)
    throw Error(ErrorKind::kInvalidArgument,
                "continue_final_message: there is no last message with a content");
  if (program.source().find("content") == std::string::npos)
    throw Error(ErrorKind::kInvalidArgument, "continue_final_message: the chat template reads no 'content'");
}

std::string stripped(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(kWhiteSpace);
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(kWhiteSpace) - begin + 1);
}

// Cuts the text where the content of the last message ends.
void cut_continued(const ChatMessage& last, RenderedText& rendered) {
  const std::string tag = kContinuationTag, bare = stripped(tag);
  const std::size_t at = rendered.text.rfind(bare);
  if (at == std::string::npos || rendered.text.find(stripped(*last.content)) == std::string::npos) {
    throw Error(ErrorKind::kInvalidArgument,
                "continue_final_message: the chat template does not write the last message as it is");
  }
  const bool keeps_spaces = rendered.text.compare(at, tag.size(), tag) == 0;
  rendered.text.resize(at);
  if (!keeps_spaces) rendered.text.resize(rendered.text.find_last_not_of(kWhiteSpace) + 1);
  const auto end = static_cast<std::uint32_t>(rendered.text.size());
  while (!rendered.input.empty() && rendered.input.back().begin >= end) rendered.input.pop_back();
  if (!rendered.input.empty()) rendered.input.back().end = std::min(rendered.input.back().end, end);
}

// With `marks_tokens`, `input` of the result is all that must not be read as an added token.
RenderedText render_with(const ChatTemplate::Parts& parts, const ChatRequest& request, bool marks_tokens) {
  if (request.messages.empty())
    throw Error(ErrorKind::kInvalidArgument, "a conversation needs at least one message");
  const JinjaProgram& program = program_for(parts, request);
  const bool is_continued = request.end == ChatEnd::kFinalMessage;
  if (is_continued) check_continued(request, program);
  TokenMarks marks(*parts.tokenizer, program.source());
  const TemplateVariables variables =
      template_variables(request, *parts.tokenizer, marks_tokens ? &marks : nullptr);
  RenderedText rendered = program.run(variables, request.now.value_or(std::time(nullptr)));
  if (marks_tokens) rendered = marks.take_out(rendered);
  if (is_continued) cut_continued(request.messages.back(), rendered);
  return rendered;
}

}  // namespace

ChatTemplate::ChatTemplate(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
ChatTemplate::~ChatTemplate() = default;

std::shared_ptr<const ChatTemplate> ChatTemplate::load(const fs::path& base,
                                                       std::shared_ptr<const Tokenizer> tokenizer) {
  const std::map<std::string, std::string> sources = read_chat_templates(base);
  if (sources.empty()) {
    throw Error(ErrorKind::kNotFound, base.string() + ": the model has no chat template",
                "give one with --chat-template FILE, or use completions instead of chat");
  }
  return std::make_shared<const ChatTemplate>(parse_all(sources, base.string(), std::move(tokenizer)));
}

std::shared_ptr<const ChatTemplate> ChatTemplate::from_file(const fs::path& jinja,
                                                            std::shared_ptr<const Tokenizer> tokenizer) {
  return std::make_shared<const ChatTemplate>(
      parse_all({{"default", read_template_file(jinja)}}, jinja.string(), std::move(tokenizer)));
}

std::string ChatTemplate::render(const ChatRequest& request) const {
  return render_with(*parts_, request, false).text;
}

std::vector<std::int32_t> ChatTemplate::encode(const ChatRequest& request) const {
  const RenderedText rendered = render_with(*parts_, request, true);
  return parts_->tokenizer->encode(rendered.text, rendered.input).ids;
}

}  // namespace quiver
