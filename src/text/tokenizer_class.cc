#include "text/tokenizer_class.h"

#include <algorithm>
#include <array>

#include "text/component_json.h"
#include "text/tokenizer_settings.h"

namespace quiver {
namespace {

constexpr char kPlain[] = "TokenizersBackend";  // follows tokenizer.json

// TOKENIZER_MAPPING_NAMES of transformers 5.23 for the families that are read here; "" for others.
std::string class_of_model(const std::string& model_type) {
  constexpr std::array kClasses = {std::pair{"gpt2", "GPT2Tokenizer"},
                                   std::pair{"gpt_neo", "GPT2Tokenizer"},
                                   std::pair{"phi", "GPT2Tokenizer"},
                                   std::pair{"qwen2", "Qwen2Tokenizer"},
                                   std::pair{"qwen3", "Qwen2Tokenizer"},
                                   std::pair{"gemma3", "GemmaTokenizer"},
                                   std::pair{"mistral", kPlain},
                                   std::pair{"phi3", kPlain},
                                   std::pair{"gemma3_text", "GemmaTokenizer"}};
  for (const auto& [type, name] : kClasses) {
    if (type == model_type) return name;
  }
  return "";
}

bool is_byte_level(const Json& tokenizer_json) {
  return dump_json(section_of(tokenizer_json, "pre_tokenizer")).find("\"ByteLevel\"") != std::string::npos;
}

// The rules of AutoTokenizer.from_pretrained: the model's class or the file's.
std::string class_name(const std::string& model_type, std::string named, const Json& tokenizer_json) {
  if (named.ends_with("Fast")) named.resize(named.size() - 4);
  const std::string of_model = class_of_model(model_type);
  const bool is_wrong_in_files = model_type == "qwen2" || model_type == "phi3";
  if (named == "LlamaTokenizer" && model_type != "mistral" && !is_wrong_in_files &&
      is_byte_level(tokenizer_json))
    return kPlain;
  if (named.empty()) return of_model.empty() ? kPlain : of_model;
  if (of_model.empty() || of_model == named) return named;
  if (of_model == kPlain) return kPlain;
  return is_wrong_in_files ? of_model : named;
}

}  // namespace

TokenizerClass tokenizer_class(const std::filesystem::path& folder, const Json& tokenizer_config,
                               const Json& tokenizer_json) {
  const std::string where = (folder / "tokenizer_config.json").string();
  const Json model = read_settings_file(folder / "config.json");
  const Json& type = section_of(model, "model_type");
  const std::string name =
      class_name(type.is_string() ? type.get<std::string>() : "",
                 json_value<std::string>(tokenizer_config, "tokenizer_class", "", where), tokenizer_json);
  if (name == "GPT2Tokenizer" || name == "GPTNeoXTokenizer") return {true, "<|endoftext|>"};
  if (name == "Qwen2Tokenizer") return {true, ""};
  if (name == "LlamaTokenizer") return {true, "<s>"};
  if (name == "GemmaTokenizer") return {false, "<bos>"};
  return {};
}

}  // namespace quiver
