#include <iostream>
#include <memory>

#include "commands.h"
#include "json_lines.h"
#include "model/weight_source.h"
#include "model_arguments.h"
#include "model_cache.h"
#include "text/text_beginning.h"

namespace quiver::program {
namespace {

struct Arguments {
  std::string base, input;
  bool decode = false;
  std::optional<std::string> bos;
};

// With kAuto as `tokenizer(text)` of transformers, what it puts after a text included.
std::string encode_line(const Tokenizer& tokenizer, BeginOfText bos, const std::string& text) {
  std::vector<std::int32_t> ids = tokenizer.encode(text).ids;
  const TextFrame& frame = tokenizer.frame();
  const BeginOfText in_front =
      bos == BeginOfText::kAuto && !frame.before.empty() ? BeginOfText::kAlways : bos;
  if (bos == BeginOfText::kAuto) ids.insert(ids.end(), frame.after.begin(), frame.after.end());
  if (in_front == BeginOfText::kAlways) {
    const TextBeginning beginning(tokenizer, in_front, tokenizer.eos_id().value_or(0));
    const std::span<const std::int32_t> before = beginning.before(text);
    ids.insert(ids.begin(), before.begin(), before.end());
  }
  return dump_json(Json(ids)) + "\n";
}

std::string decode_line(const Tokenizer& tokenizer, const std::string& line) {
  const Json ids = parse_json(line, "stdin");
  try {
    return tokenizer.decode(ids.get<std::vector<std::int32_t>>()) + "\n";
  } catch (const Json::exception&) {
    throw Error(ErrorKind::kInvalidArgument, "not a JSON array of token ids: " + line.substr(0, 100));
  }
}

void run(const Arguments& arguments) {
  const std::shared_ptr<const Tokenizer> tokenizer =
      open_weight_source(resolve_base(arguments.base))->tokenizer();
  const BeginOfText bos = parse_begin_of_text(arguments.bos.value_or("never"));
  if (!arguments.input.empty()) {
    const std::vector<Json> objects = read_json_lines(arguments.input);
    for (std::size_t i = 0; i < objects.size(); ++i) {
      write_output("",
                   encode_line(*tokenizer, bos, require_text(objects[i], "text", arguments.input, i + 1)));
    }
    return;
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    write_output("", arguments.decode ? decode_line(*tokenizer, line) : encode_line(*tokenizer, bos, line));
  }
}

}  // namespace

void add_tokenize(Command& program) {
  auto arguments = std::make_shared<Arguments>();
  Command* command = program.add_subcommand("tokenize", "Lines on stdin to JSON arrays of ids, or back");
  command->add_option("BASE", arguments->base)->required();
  Option* decode = command->add_flag("--decode", arguments->decode, "Ids to text");
  add_bos_option(
      *command, arguments->bos,
      "Begin-of-text: never (the default: the text's own ids), auto (as transformers' tokenizer(text)) "
      "or always");
  command->add_option("--input", arguments->input, "JSON lines with `text`, for text that holds newlines")
      ->excludes(decode);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace quiver::program
