#include "text/vocabulary_files.h"

#include <sstream>

#include "core/files.h"
#include "text/component_json.h"
#include "text/tokenizer_settings.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

constexpr char kEndOfText[] = "<|endoftext|>";

[[noreturn]] void refuse(const fs::path& folder, const std::string& why) {
  throw Error(ErrorKind::kUnsupported, folder.string() + ": there is no tokenizer.json, and " + why,
              "write it with Python: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)");
}

// vocab.json and merges.txt do not say how text is cut into words; the tokenizer's class or the model does.
bool is_gpt2(const fs::path& folder, const Json& tokenizer_config) {
  const std::string where = folder.string();
  const auto name = json_value<std::string>(tokenizer_config, "tokenizer_class", "", where);
  if (!name.empty()) return name == "GPT2Tokenizer" || name == "GPT2TokenizerFast";
  const auto type =
      json_value<std::string>(read_settings_file(folder / "config.json"), "model_type", "", where);
  return type == "gpt2" || type == "gpt_neo";
}

Json lines_of(const fs::path& path) {
  Json lines = Json::array();
  std::istringstream content(read_file(path, kMaxTokenizerBytes));
  for (std::string line; std::getline(content, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

// The post-processor of GPT2Tokenizer: without a tokenizer.json, `add_bos_token` and `add_eos_token` count.
Json template_of(const Json& tokenizer_config, const Json& entries, const std::string& where) {
  Json pieces = Json::array(), special = Json::object();
  const auto add = [&](const char* flag, const char* name) {
    if (!json_value(tokenizer_config, flag, false, where)) return;
    const Json& named = section_of(tokenizer_config, name);
    const Json& content = named.is_object() ? section_of(named, "content") : named;
    const std::string text = content.is_string() ? content.get<std::string>() : kEndOfText;
    const Json& id = section_of(entries, text);
    if (id.is_null())
      throw Error(ErrorKind::kCorruptFile,
                  where + ": '" + flag + "' is true, but vocab.json has no '" + text.substr(0, 100) + "'");
    pieces.push_back({{"SpecialToken", {{"id", text}}}});
    special[text] = {{"ids", Json::array({id})}};
  };
  add("add_bos_token", "bos_token");
  pieces.push_back({{"Sequence", {{"id", "A"}}}});
  add("add_eos_token", "eos_token");
  return {
      {"type", "TemplateProcessing"}, {"single", std::move(pieces)}, {"special_tokens", std::move(special)}};
}

}  // namespace

std::optional<Json> json_of_vocabulary_files(const fs::path& folder) {
  const fs::path vocabulary = folder / "vocab.json", merges = folder / "merges.txt";
  if (!fs::exists(vocabulary) || !fs::exists(merges)) {
    if (fs::exists(folder / "tokenizer.model")) refuse(folder, "tokenizer.model cannot be read");
    return std::nullopt;
  }
  const Json tokenizer_config = read_settings_file(folder / "tokenizer_config.json");
  if (!is_gpt2(folder, tokenizer_config))
    refuse(folder, "vocab.json and merges.txt are not known as a GPT-2's");

  Json entries = read_json_file(vocabulary, kMaxTokenizerBytes);
  Json added = Json::array();
  if (const Json& id = section_of(entries, kEndOfText); !id.is_null())
    added.push_back({{"id", id}, {"content", kEndOfText}, {"special", true}});
  const bool prefix = json_value(tokenizer_config, "add_prefix_space", false, folder.string());
  return Json{
      {"added_tokens", std::move(added)},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", prefix}}},
      {"post_processor", template_of(tokenizer_config, entries, (folder / "tokenizer_config.json").string())},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", std::move(entries)}, {"merges", lines_of(merges)}}}};
}

}  // namespace quiver
