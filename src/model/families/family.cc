#include "model/families/family.h"

#include <cmath>
#include <map>

#include "tensor/file_problem.h"

namespace quiver {
namespace {

std::int64_t in_range(std::int64_t value, std::int64_t largest, const std::string& key,
                      const std::string& where) {
  if (value >= 1 && value <= largest) return value;
  throw Error(ErrorKind::kCorruptFile, where + ": '" + key + "' is " + std::to_string(value) +
                                           ", not between 1 and " + std::to_string(largest));
}

// 2.5 layers, or true, are no number of layers.
void check_whole(const Json& config, const std::string& key, const std::string& where) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null() || found->is_number_integer()) return;
  throw Error(ErrorKind::kInvalidArgument, where + ": '" + key + "' has the wrong type: " +
                                               printable(dump_json(*found)) + " is no whole number");
}

}  // namespace

const Family& find_family(const std::string& model_type, const std::string& where) {
  static const std::map<std::string, const Family*> kFamilies = {
      {"gemma3_text", &kGemma3Family}, {"gpt2", &kGpt2Family},       {"gpt_neo", &kGptNeoFamily},
      {"llama", &kLlamaFamily},        {"mistral", &kMistralFamily}, {"phi", &kPhiFamily},
      {"phi3", &kPhi3Family},          {"qwen2", &kQwen2Family},     {"qwen3", &kQwen3Family},
  };
  const auto found = kFamilies.find(model_type);
  if (found != kFamilies.end()) return *found->second;
  std::string known;
  for (const auto& [name, family] : kFamilies) known += (known.empty() ? "" : ", ") + name;
  throw Error(ErrorKind::kUnsupported,
              where + ": model family '" + printable(model_type) + "' is not supported",
              "supported families: " + known);
}

std::int64_t checked_size(std::int64_t value, const std::string& key, const std::string& where) {
  return in_range(value, 1 << 24, key, where);
}

std::int64_t require_size(const Json& config, const std::string& key, const std::string& where) {
  check_whole(config, key, where);
  return checked_size(json_require<std::int64_t>(config, key, where), key, where);
}

std::int64_t size_or(const Json& config, const std::string& key, std::int64_t fallback,
                     const std::string& where) {
  check_whole(config, key, where);
  return checked_size(json_value(config, key, fallback, where), key, where);
}

std::int64_t require_layers(const Json& config, const std::string& key, const std::string& where) {
  return in_range(require_size(config, key, where), 1 << 14, key, where);
}

double norm_eps_or(const Json& config, const std::string& key, double fallback, const std::string& where) {
  const double eps = json_value(config, key, fallback, where);
  if (eps >= 0 && std::isfinite(eps)) return eps;
  throw Error(ErrorKind::kCorruptFile,
              where + ": '" + key + "' is " + std::to_string(eps) + ", no positive number");
}

MlpKind plain_mlp(const Json& config, const std::string& key, const std::string& where) {
  const auto activation = json_value<std::string>(config, key, "gelu_new", where);
  if (activation == "gelu_new" || activation == "gelu_pytorch_tanh" || activation == "gelu_fast")
    return MlpKind::kGelu;
  throw Error(ErrorKind::kUnsupported,
              where + ": " + key + " '" + printable(activation) + "' is not supported",
              "supported: gelu_new, gelu_pytorch_tanh, gelu_fast");
}

MlpKind gated_mlp(const Json& config, const std::string& key, const std::string& where) {
  const auto activation = json_value<std::string>(config, key, "silu", where);
  if (activation == "silu") return MlpKind::kSwiGlu;
  if (activation == "gelu_pytorch_tanh" || activation == "gelu_new") return MlpKind::kGeGlu;
  throw Error(ErrorKind::kUnsupported,
              where + ": " + key + " '" + printable(activation) + "' is not supported",
              "supported: silu, gelu_pytorch_tanh, gelu_new");
}

void refuse_settings(const Json& config, std::initializer_list<const char*> keys, const std::string& where) {
  for (const char* key : keys) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null() || *found == false || *found == 0) continue;
    throw Error(ErrorKind::kUnsupported,
                where + ": '" + key + "' " + printable(dump_json(*found)) + " is not supported");
  }
}

void check_heads(const AttentionShape& attention, const std::string& where) {
  constexpr std::int64_t kWidestHead = 1 << 14;  // rotary tables are made for each dimension
  const bool fits = attention.heads % attention.kv_heads == 0 && attention.head_dim % 2 == 0;
  if (fits && attention.head_dim > 0 && attention.head_dim <= kWidestHead) return;
  throw Error(ErrorKind::kCorruptFile, where + ": sizes do not fit together: heads " +
                                           std::to_string(attention.heads) + ", key/value heads " +
                                           std::to_string(attention.kv_heads) + ", of width " +
                                           std::to_string(attention.head_dim));
}

}  // namespace quiver
