#include "model/families/llama_like.h"

namespace quiver {
namespace {

void read_windows(DecoderConfig& config, const Json& json, const std::string& where) {
  if (!json_value(json, "use_sliding_window", false, where)) return;
  const auto first = json_value<std::int64_t>(json, "max_window_layers", 28, where);
  const auto slides = [first](std::int64_t layer) { return layer >= first; };
  set_windows(config, sliding_layers(json, config.layers, where, slides), json, where);
}

DecoderConfig from_qwen2(const Json& json, const std::string& where) {
  DecoderConfig config = read_llama_like("qwen2", json, where);
  config.has_bias = {true, false, false, false};
  read_windows(config, json, where);
  return config;
}

DecoderConfig from_qwen3(const Json& json, const std::string& where) {
  Json settings = json;
  if (json_value<std::int64_t>(json, "head_dim", 0, where) == 0) settings["head_dim"] = 128;
  DecoderConfig config = read_llama_like("qwen3", settings, where);
  set_attention_bias(config, json, where);
  read_windows(config, json, where);
  return config;
}

TensorNames qwen3_names() {
  TensorNames names = llama_names();
  names.query_norm = "model.layers.{}.self_attn.q_norm";
  names.key_norm = "model.layers.{}.self_attn.k_norm";
  return names;
}

}  // namespace

const Family kQwen2Family{from_qwen2, llama_names()};
const Family kQwen3Family{from_qwen3, qwen3_names()};

}  // namespace quiver
