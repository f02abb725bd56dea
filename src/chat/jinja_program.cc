#include "chat/jinja_program.h"

#include <jinja/lexer.h>
#include <jinja/parser.h>
#include <jinja/runtime.h>

#include "chat/template_nesting.h"
#include "core/strings.h"
#include "quiver/error.h"

namespace quiver {
namespace {

// What raise_exception throws. No std::exception, as the engine wraps those in an account of the place.
struct Refusal {
  std::string message;
};

jinja::value raise_exception(const jinja::func_args& arguments) {
  throw Refusal{arguments.get_pos(0)->as_string().str()};
}

// The engine's own uses std::localtime, which threads may not share.
jinja::value strftime_now(const jinja::func_args& arguments) {
  const std::string format = arguments.get_pos(0)->as_string().str();
  std::tm local{};
  localtime_r(&arguments.ctx.current_time, &local);
  std::string text(format.size() * 32 + 256, '\0');
  text.resize(std::strftime(text.data(), text.size(), format.c_str(), &local));
  return jinja::mk_val<jinja::value_string>(text);
}

// The engine's messages are an account of several lines: this is their place ("line 3, column 7") and reason.
std::string one_line(const std::string& account) {
  const auto between = [&](const std::string& from, const std::string& to) -> std::string {
    const std::size_t begin = account.rfind(from);
    if (begin == std::string::npos) return "";
    return account.substr(begin + from.size(), account.find(to, begin) - begin - from.size());
  };
  const std::string place = between(" at line ", " in source"), reason = between("Error: ", "\n");
  if (!reason.empty()) return (place.empty() ? "" : "line " + place + ": ") + escape_controls(reason);
  // "parser: reason", and the source around it on a line of its own.
  const std::size_t end = account.find('\n');
  std::string line = account.substr(0, end);
  if (end != std::string::npos)
    line += " near '" + account.substr(end + 1, account.find('\n', end + 1) - end - 1) + "'";
  return escape_controls(line);
}

RenderedText text_of(const jinja::value& results) {
  RenderedText rendered;
  const jinja::value_string gathered = jinja::runtime::gather_string_parts(results);
  for (const jinja::string_part& part : gathered->val_str.parts) {
    const auto begin = static_cast<std::uint32_t>(rendered.text.size());
    rendered.text += part.val;
    const auto end = static_cast<std::uint32_t>(rendered.text.size());
    if (part.is_input && begin < end) rendered.input.push_back({begin, end});
  }
  return rendered;
}

}  // namespace

struct JinjaProgram::Program {
  jinja::program statements;
};

JinjaProgram::JinjaProgram(const std::string& source, std::string where)
    : source_(source), where_(std::move(where)) {
  try {
    const jinja::lexer_result lexed = jinja::lexer().tokenize(source_);
    check_template_nesting(lexed, where_);
    program_ = std::make_unique<const Program>(Program{jinja::parse_from_tokens(lexed)});
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    throw Error(ErrorKind::kCorruptFile,
                where_ + ": the chat template cannot be parsed: " + one_line(e.what()),
                "give another one with --chat-template FILE");
  }
}

JinjaProgram::~JinjaProgram() = default;

RenderedText JinjaProgram::run(const TemplateVariables& variables, std::time_t now) const {
  jinja::context context(source_);
  context.current_time = now;
  context.set_val("raise_exception", jinja::mk_val<jinja::value_func>("raise_exception", raise_exception));
  context.set_val("strftime_now", jinja::mk_val<jinja::value_func>("strftime_now", strftime_now));
  for (const auto& [name, value] : variables) context.set_val(name, value);
  try {
    return text_of(jinja::runtime(context).execute(program_->statements));
  } catch (const Refusal& refusal) {
    throw Error(ErrorKind::kInvalidArgument,
                "the model's chat template refuses the conversation: " + escape_controls(refusal.message));
  } catch (const std::exception& e) {
    throw Error(ErrorKind::kInvalidArgument,
                where_ + ": the chat template fails on this conversation: " + one_line(e.what()));
  }
}

}  // namespace quiver
