#include "text/vocabulary_files.h"

#include <sstream>

#include "core/files.h"
#include "text/component_json.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 16u << 20;
constexpr char kEndOfText[] = "<|endoftext|>";

[[noreturn]] void refuse(const fs::path& folder, const std::string& why) {
  throw Error(ErrorKind::kUnsupported, folder.string() + ": there is no tokenizer.json, and " + why,
              "write it with Python: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)");
}

Json config_of(const fs::path& path) {
  return fs::exists(path) ? read_json_file(path, kMaxConfigBytes) : Json::object();
}

// vocab.json and merges.txt do not say how text is cut into words; the tokenizer's class or the model does.
bool is_gpt2(const fs::path& folder, const Json& tokenizer_config) {
  const std::string where = folder.string();
  const auto name = json_value<std::string>(tokenizer_config, "tokenizer_class", "", where);
  if (!name.empty()) return name == "GPT2Tokenizer" || name == "GPT2TokenizerFast";
  const auto type = json_value<std::string>(config_of(folder / "config.json"), "model_type", "", where);
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

}  // namespace

std::optional<Json> json_of_vocabulary_files(const fs::path& folder) {
  const fs::path vocabulary = folder / "vocab.json", merges = folder / "merges.txt";
  if (!fs::exists(vocabulary) || !fs::exists(merges)) {
    if (fs::exists(folder / "tokenizer.model")) refuse(folder, "tokenizer.model cannot be read");
    return std::nullopt;
  }
  const Json tokenizer_config = config_of(folder / "tokenizer_config.json");
  if (!is_gpt2(folder, tokenizer_config))
    refuse(folder, "vocab.json and merges.txt are not known as a GPT-2's");
  if (fs::exists(folder / "added_tokens.json")) refuse(folder, "added_tokens.json cannot be read");

  Json entries = read_json_file(vocabulary, kMaxTokenizerBytes);
  Json added = Json::array();
  if (const Json& id = section_of(entries, kEndOfText); !id.is_null())
    added.push_back({{"id", id}, {"content", kEndOfText}, {"special", true}});
  const bool prefix = json_value(tokenizer_config, "add_prefix_space", false, folder.string());
  return Json{{"added_tokens", std::move(added)},
              {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", prefix}}},
              {"decoder", {{"type", "ByteLevel"}}},
              {"model", {{"type", "BPE"}, {"vocab", std::move(entries)}, {"merges", lines_of(merges)}}}};
}

}  // namespace quiver
