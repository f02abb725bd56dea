#include "model/families/llama_like.h"

#include <cmath>

#include "core/log.h"
#include "tensor/file_problem.h"

namespace quiver {

void ignore_partial_factor(Json& rope, const std::string& family, const std::string& where) {
  const auto factor = json_value(rope, "partial_rotary_factor", 1.0, where);
  if (factor == 1) return;
  log_warning(where + ": 'partial_rotary_factor' " + dump_json(rope.at("partial_rotary_factor")) +
              " is not used: the whole head of a " + family + " model turns");
  rope["partial_rotary_factor"] = 1.0;
}

DecoderConfig read_llama_like(const std::string& family, const Json& json, const std::string& where,
                              const LlamaLikeDefaults& defaults) {
  DecoderConfig config;
  config.family = family;
  config.layers = require_layers(json, "num_hidden_layers", where);
  config.hidden = require_size(json, "hidden_size", where);
  config.intermediate = require_size(json, "intermediate_size", where);
  config.vocabulary = require_size(json, "vocab_size", where);
  config.max_positions = size_or(json, "max_position_embeddings", 2048, where);
  config.norm_eps = norm_eps_or(json, "rms_norm_eps", defaults.norm_eps, where);
  config.mlp = gated_mlp(json, defaults.activation_key, where);
  AttentionShape& attention = config.attention;
  attention.heads = require_size(json, "num_attention_heads", where);
  attention.kv_heads = size_or(json, "num_key_value_heads", attention.heads, where);
  attention.head_dim = size_or(json, "head_dim", config.hidden / attention.heads, where);
  check_heads(attention, where);
  attention.scale = 1.0 / std::sqrt(static_cast<double>(attention.head_dim));
  Json rope = rope_settings(json, where);
  if (!defaults.has_partial_rotary) ignore_partial_factor(rope, family, where);
  config.rotary = {make_rotary(rope, json, attention.head_dim, where)};
  config.windows.assign(static_cast<std::size_t>(config.layers), 0);
  config.tied_head = json_value(json, "tie_word_embeddings", defaults.tied_head, where);
  return config;
}

void set_attention_bias(DecoderConfig& config, const Json& json, const std::string& where) {
  config.has_bias[0] = config.has_bias[1] = json_value(json, "attention_bias", false, where);
  config.bias_setting[0] = config.bias_setting[1] = "attention_bias";
}

TensorNames llama_names() {
  TensorNames names;
  names.embedding = "model.embed_tokens.weight";
  names.final_norm = "model.norm";
  names.head = "lm_head";
  names.attention_norm = "model.layers.{}.input_layernorm";
  names.query = "model.layers.{}.self_attn.q_proj";
  names.key = "model.layers.{}.self_attn.k_proj";
  names.value = "model.layers.{}.self_attn.v_proj";
  names.attention_out = "model.layers.{}.self_attn.o_proj";
  names.mlp_norm = "model.layers.{}.post_attention_layernorm";
  names.gate = "model.layers.{}.mlp.gate_proj";
  names.up = "model.layers.{}.mlp.up_proj";
  names.down = "model.layers.{}.mlp.down_proj";
  return names;
}

std::vector<bool> sliding_layers(const Json& config, std::int64_t layers, const std::string& where,
                                 const std::function<bool(std::int64_t layer)>& fallback) {
  std::vector<bool> sliding;
  const auto types = json_value<std::vector<std::string>>(config, "layer_types", {}, where);
  if (types.empty()) {
    for (std::int64_t layer = 0; layer < layers; ++layer) sliding.push_back(fallback(layer));
    return sliding;
  }
  if (static_cast<std::int64_t>(types.size()) != layers) {
    throw Error(ErrorKind::kCorruptFile, where + ": 'layer_types' has " + std::to_string(types.size()) +
                                             " entries for " + std::to_string(layers) + " layers");
  }
  for (const std::string& type : types) {
    if (type != "sliding_attention" && type != "full_attention")
      throw Error(ErrorKind::kUnsupported, where + ": layer type '" + printable(type) + "' is not supported");
    sliding.push_back(type == "sliding_attention");
  }
  return sliding;
}

void set_windows(DecoderConfig& config, const std::vector<bool>& sliding, const Json& json,
                 const std::string& where) {
  for (std::size_t layer = 0; layer < sliding.size(); ++layer) {
    config.windows[layer] = sliding[layer] ? require_size(json, "sliding_window", where) : 0;
  }
}

}  // namespace quiver
