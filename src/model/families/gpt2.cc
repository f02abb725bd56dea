#include <cmath>

#include "model/families/family.h"

namespace quiver {
namespace {

DecoderConfig from_config(const Json& json, const std::string& where) {
  refuse_settings(json, {"scale_attn_by_inverse_layer_idx", "add_cross_attention"}, where);
  DecoderConfig config;
  config.family = "gpt2";
  config.layers = require_layers(json, "n_layer", where);
  config.hidden = require_size(json, "n_embd", where);
  config.intermediate = size_or(json, "n_inner", 4 * config.hidden, where);
  config.vocabulary = require_size(json, "vocab_size", where);
  config.max_positions = size_or(json, "n_positions", 1024, where);
  config.norm = NormKind::kLayerNorm;
  config.norm_eps = norm_eps_or(json, "layer_norm_epsilon", 1e-5, where);
  config.mlp = plain_mlp(json, "activation_function", where);
  AttentionShape& attention = config.attention;
  attention.heads = attention.kv_heads = require_size(json, "n_head", where);
  if (config.hidden % attention.heads != 0) {
    throw Error(ErrorKind::kCorruptFile, where + ": n_embd " + std::to_string(config.hidden) +
                                             " is not a multiple of n_head " +
                                             std::to_string(attention.heads));
  }
  attention.head_dim = config.hidden / attention.heads;
  attention.scale = json_value(json, "scale_attn_weights", true, where)
                        ? 1.0 / std::sqrt(static_cast<double>(attention.head_dim))
                        : 1.0;
  config.windows.assign(static_cast<std::size_t>(config.layers), 0);
  config.has_bias = {true, true, true, true};
  config.tied_head = json_value(json, "tie_word_embeddings", true, where);
  return config;
}

}  // namespace

TensorNames gpt2_names() {
  TensorNames names;
  names.embedding = "transformer.wte.weight";
  names.positions = "transformer.wpe.weight";
  names.final_norm = "transformer.ln_f";
  names.head = "lm_head";
  names.attention_norm = "transformer.h.{}.ln_1";
  names.query = "transformer.h.{}.attn.c_attn";
  names.attention_out = "transformer.h.{}.attn.c_proj";
  names.mlp_norm = "transformer.h.{}.ln_2";
  names.up = "transformer.h.{}.mlp.c_fc";
  names.down = "transformer.h.{}.mlp.c_proj";
  names.linear_weights_are_transposed = true;
  return names;
}

const Family kGpt2Family{from_config, gpt2_names()};

}  // namespace quiver
