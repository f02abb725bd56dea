#include "model/families/family.h"

#include <map>

namespace quiver {

const Family& find_family(const std::string& model_type) {
  static const std::map<std::string, const Family*> kFamilies = {
      {"gemma3_text", &kGemma3Family}, {"gpt2", &kGpt2Family},       {"gpt_neo", &kGptNeoFamily},
      {"llama", &kLlamaFamily},        {"mistral", &kMistralFamily}, {"phi", &kPhiFamily},
      {"phi3", &kPhi3Family},          {"qwen2", &kQwen2Family},     {"qwen3", &kQwen3Family},
  };
  const auto found = kFamilies.find(model_type);
  if (found != kFamilies.end()) return *found->second;
  std::string known;
  for (const auto& [name, family] : kFamilies) known += (known.empty() ? "" : ", ") + name;
  throw Error(ErrorKind::kUnsupported, "model family '" + model_type + "' is not supported",
              "supported families: " + known);
}

std::int64_t checked_size(std::int64_t value, const std::string& key, const std::string& where) {
  constexpr std::int64_t kLargest = 1 << 24;
  if (value < 1 || value > kLargest) {
    throw Error(ErrorKind::kCorruptFile, where + ": '" + key + "' is " + std::to_string(value) +
                                             ", not between 1 and " + std::to_string(kLargest));
  }
  return value;
}

std::int64_t require_size(const Json& config, const std::string& key, const std::string& where) {
  return checked_size(json_require<std::int64_t>(config, key, where), key, where);
}

std::int64_t size_or(const Json& config, const std::string& key, std::int64_t fallback,
                     const std::string& where) {
  return checked_size(json_value(config, key, fallback, where), key, where);
}

MlpKind plain_mlp(const Json& config, const std::string& key, const std::string& where) {
  const auto activation = json_value<std::string>(config, key, "gelu_new", where);
  if (activation == "gelu_new" || activation == "gelu_pytorch_tanh" || activation == "gelu_fast")
    return MlpKind::kGelu;
  throw Error(ErrorKind::kUnsupported, where + ": " + key + " '" + activation + "' is not supported",
              "supported: gelu_new, gelu_pytorch_tanh, gelu_fast");
}

MlpKind gated_mlp(const Json& config, const std::string& key, const std::string& where) {
  const auto activation = json_value<std::string>(config, key, "silu", where);
  if (activation == "silu") return MlpKind::kSwiGlu;
  if (activation == "gelu_pytorch_tanh" || activation == "gelu_new") return MlpKind::kGeGlu;
  throw Error(ErrorKind::kUnsupported, where + ": " + key + " '" + activation + "' is not supported",
              "supported: silu, gelu_pytorch_tanh, gelu_new");
}

void refuse_settings(const Json& config, std::initializer_list<const char*> keys, const std::string& where) {
  for (const char* key : keys) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null() || *found == false || *found == 0) continue;
    throw Error(ErrorKind::kUnsupported,
                where + ": '" + key + "' " + dump_json(*found).substr(0, 100) + " is not supported");
  }
}

void check_heads(const AttentionShape& attention, const std::string& where) {
  if (attention.heads % attention.kv_heads == 0 && attention.head_dim % 2 == 0) return;
  throw Error(ErrorKind::kCorruptFile, where + ": sizes do not fit together: heads " +
                                           std::to_string(attention.heads) + ", key/value heads " +
                                           std::to_string(attention.kv_heads) + ", of width " +
                                           std::to_string(attention.head_dim));
}

}  // namespace quiver
