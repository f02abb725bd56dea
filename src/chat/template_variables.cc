#include "chat/template_variables.h"

#include <algorithm>
#include <array>
#include <limits>

#include "core/ordered_json.h"
#include "text/utf8.h"

namespace quiver {
namespace {

using jinja::mk_val;
using jinja::value;

// Templates build control tokens out of these ('<|' + role + '|>').
constexpr std::array kRoles = {"assistant", "developer", "environment",   "function",
                               "ipython",   "model",     "observation",   "system",
                               "tool",      "tool_call", "tool_response", "user"};

// Text that broken bytes cannot pass for marks in.
std::string valid_utf8(const std::string& text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    if (step.valid)
      result.append(text, at, step.length);
    else
      result += "\xEF\xBF\xBD";
    at += step.length;
  }
  return result;
}

OrderedJson parse(const std::string& text, const char* what, bool (OrderedJson::*is)() const noexcept,
                  const char* type) {
  OrderedJson json = parse_ordered_json(text, what);
  if (!(json.*is)())
    throw Error(ErrorKind::kInvalidArgument,
                std::string(what) + " is no JSON " + type + ": " + text.substr(0, 200));
  return json;
}

// Makes the values of one conversation.
class Values {
 public:
  explicit Values(TokenMarks* marks) : marks_(marks) {}

  value text(const std::string& given) const {
    const std::string valid = valid_utf8(given);
    auto result = mk_val<jinja::value_string>(marks_ == nullptr ? valid : marks_->mark(valid));
    result->mark_input();
    return result;
  }

  value of(const OrderedJson& json) const {
    switch (json.type()) {
      case OrderedJson::value_t::boolean:
        return mk_val<jinja::value_bool>(json.get<bool>());
      case OrderedJson::value_t::number_unsigned:
        if (json.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max())
          return mk_val<jinja::value_float>(json.get<double>());
        [[fallthrough]];
      case OrderedJson::value_t::number_integer:
        return mk_val<jinja::value_int>(json.get<std::int64_t>());
      case OrderedJson::value_t::number_float:
        return mk_val<jinja::value_float>(json.get<double>());
      case OrderedJson::value_t::string:
        return text(json.get<std::string>());
      case OrderedJson::value_t::array: {
        auto array = mk_val<jinja::value_array>();
        for (const OrderedJson& element : json) array->push_back(of(element));
        return array;
      }
      case OrderedJson::value_t::object: {
        auto object = mk_val<jinja::value_object>();
        for (const auto& [key, element] : json.items()) object->insert(text(key), of(element));
        return object;
      }
      default:
        return mk_val<jinja::value_none>();
    }
  }

  value message(const ChatMessage& message) const {
    OrderedJson fields = OrderedJson::object();
    if (!message.fields.empty())
      fields = parse(message.fields, "a message's fields", &OrderedJson::is_object, "object");
    const OrderedJson reasoning = reasoning_of(fields);
    auto object = mk_val<jinja::value_object>();
    if (!reasoning.is_null() && !fields.contains("thinking")) object->insert("thinking", of(reasoning));
    const bool is_known = std::ranges::find(kRoles, message.role) != kRoles.end();
    object->insert("role", is_known ? mk_val<jinja::value_string>(message.role) : text(message.role));
    if (message.content) object->insert("content", text(*message.content));
    for (const auto& [key, field] : fields.items()) {
      if (!field.is_null()) object->insert(text(key), of(field));
    }
    if (!reasoning.is_null()) object->insert("reasoning_content", of(reasoning));
    return object;
  }

 private:
  // A message's reasoning by any of its names; transformers gives it the first two.
  static OrderedJson reasoning_of(const OrderedJson& fields) {
    for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
      if (fields.contains(name) && !fields.at(name).is_null()) return fields.at(name);
    }
    return nullptr;
  }

  TokenMarks* marks_;
};

}  // namespace

TemplateVariables template_variables(const ChatRequest& request, const Tokenizer& tokenizer,
                                     TokenMarks* marks) {
  const Values values(marks);
  auto messages = mk_val<jinja::value_array>();
  for (const ChatMessage& message : request.messages) {
    const bool is_continued = request.end == ChatEnd::kFinalMessage && &message == &request.messages.back();
    if (!is_continued) {
      messages->push_back(values.message(message));
      continue;
    }
    ChatMessage longer = message;
    longer.content = message.content.value_or("") + kContinuationTag;
    messages->push_back(values.message(longer));
  }
  TemplateVariables variables;
  for (const auto& [name, token] : tokenizer.named_tokens())
    variables.emplace_back(name, mk_val<jinja::value_string>(token));
  variables.emplace_back("messages", messages);
  const bool has_tools = !request.tools.empty();
  variables.emplace_back(
      "tools", has_tools ? values.of(parse(request.tools, "'tools'", &OrderedJson::is_array, "array"))
                         : mk_val<jinja::value_none>());
  variables.emplace_back("documents", mk_val<jinja::value_none>());
  variables.emplace_back("add_generation_prompt",
                         mk_val<jinja::value_bool>(request.end == ChatEnd::kAssistantTurn));
  if (!request.variables.empty()) {
    const OrderedJson given =
        parse(request.variables, "'chat_template_kwargs'", &OrderedJson::is_object, "object");
    for (const auto& [name, element] : given.items()) variables.emplace_back(name, values.of(element));
  }
  return variables;
}

}  // namespace quiver
