#include <cmath>

#include "model/families/llama_like.h"

namespace quiver {
namespace {

DecoderConfig from_config(const Json& json, const std::string& where) {
  refuse_settings(json, {"qk_layernorm"}, where);
  DecoderConfig config;
  config.family = "phi";
  config.layers = require_layers(json, "num_hidden_layers", where);
  config.hidden = require_size(json, "hidden_size", where);
  config.intermediate = size_or(json, "intermediate_size", 4 * config.hidden, where);
  config.vocabulary = require_size(json, "vocab_size", where);
  config.max_positions = size_or(json, "max_position_embeddings", 2048, where);
  config.norm = NormKind::kLayerNorm;
  config.norm_eps = norm_eps_or(json, "layer_norm_eps", 1e-5, where);
  config.mlp = plain_mlp(json, "hidden_act", where);
  config.block = BlockKind::kParallel;
  AttentionShape& attention = config.attention;
  attention.heads = require_size(json, "num_attention_heads", where);
  attention.kv_heads = size_or(json, "num_key_value_heads", attention.heads, where);
  attention.head_dim = size_or(json, "head_dim", config.hidden / attention.heads, where);
  check_heads(attention, where);
  attention.scale = 1.0 / std::sqrt(static_cast<double>(attention.head_dim));
  config.rotary = {make_rotary(rope_settings(json, where, 0.5), json, attention.head_dim, where)};
  config.windows.assign(static_cast<std::size_t>(config.layers), 0);
  config.has_bias = {true, true, true, true};
  config.head_has_bias = true;
  config.tied_head = json_value(json, "tie_word_embeddings", false, where);
  return config;
}

TensorNames names() {
  TensorNames names = llama_names();
  names.final_norm = "model.final_layernorm";
  names.attention_out = "model.layers.{}.self_attn.dense";
  names.mlp_norm = names.gate = "";
  names.up = "model.layers.{}.mlp.fc1";
  names.down = "model.layers.{}.mlp.fc2";
  return names;
}

}  // namespace

// Phi-1, Phi-1.5 and Phi-2: attention and MLP read one norm, and part of each head turns.
const Family kPhiFamily{from_config, names()};

}  // namespace quiver
