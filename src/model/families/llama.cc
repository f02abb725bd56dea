#include <cmath>

#include "model/families/family.h"

namespace quiver {
namespace {

// Settings that change the computation and that this decoder does not have: refused, never ignored.
void refuse_unsupported(const Json& config, const std::string& where) {
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    if (json_value(config, key, false, where)) {
      throw Error(ErrorKind::kUnsupported, where + ": llama with " + key + " is not supported");
    }
  }
  const std::string activation = json_value<std::string>(config, "hidden_act", "silu", where);
  if (activation != "silu") {
    throw Error(ErrorKind::kUnsupported,
                where + ": llama with hidden_act '" + activation + "' is not supported");
  }
}

// New files keep rope settings in `rope_parameters`, older ones at the top level and in `rope_scaling`.
double rope_theta(const Json& config, const std::string& where) {
  double theta = json_value(config, "rope_theta", 10000.0, where);
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_object()) continue;
    const std::string type = json_value<std::string>(
        *found, found->contains("rope_type") ? "rope_type" : "type", "default", where);
    if (type != "default") {
      throw Error(ErrorKind::kUnsupported, where + ": rope type '" + type + "' is not supported");
    }
    theta = json_value(*found, "rope_theta", theta, where);
  }
  return theta;
}

void finish_attention(DecoderConfig& config, const std::string& where) {
  AttentionShape& attention = config.attention;
  if (attention.heads % attention.kv_heads != 0 || attention.head_dim % 2 != 0) {
    throw Error(ErrorKind::kCorruptFile, where + ": sizes do not fit together: heads " +
                                             std::to_string(attention.heads) + ", key/value heads " +
                                             std::to_string(attention.kv_heads) + ", of width " +
                                             std::to_string(attention.head_dim));
  }
  attention.scale = 1.0 / std::sqrt(static_cast<double>(attention.head_dim));
  config.windows.assign(static_cast<std::size_t>(config.layers), 0);
}

DecoderConfig from_config(const Json& json, const std::string& where) {
  refuse_unsupported(json, where);
  DecoderConfig config;
  config.family = "llama";
  config.layers = require_size(json, "num_hidden_layers", where);
  config.hidden = require_size(json, "hidden_size", where);
  config.intermediate = require_size(json, "intermediate_size", where);
  config.vocabulary = require_size(json, "vocab_size", where);
  config.max_positions = checked_size(json_value<std::int64_t>(json, "max_position_embeddings", 2048, where),
                                      "max_position_embeddings", where);
  config.norm_eps = json_value(json, "rms_norm_eps", 1e-6, where);
  config.attention.heads = require_size(json, "num_attention_heads", where);
  config.attention.kv_heads = checked_size(
      json_value(json, "num_key_value_heads", config.attention.heads, where), "num_key_value_heads", where);
  config.attention.head_dim = checked_size(
      json_value(json, "head_dim", config.hidden / config.attention.heads, where), "head_dim", where);
  config.rope_theta = rope_theta(json, where);
  config.tied_head = json_value(json, "tie_word_embeddings", false, where);
  finish_attention(config, where);
  return config;
}

}  // namespace

const Family kLlamaFamily{from_config,
                          {.embedding = "model.embed_tokens.weight",
                           .positions = "",
                           .final_norm = "model.norm",
                           .head = "lm_head.weight",
                           .attention_norm = "model.layers.{}.input_layernorm",
                           .query = "model.layers.{}.self_attn.q_proj",
                           .key = "model.layers.{}.self_attn.k_proj",
                           .value = "model.layers.{}.self_attn.v_proj",
                           .attention_out = "model.layers.{}.self_attn.o_proj",
                           .mlp_norm = "model.layers.{}.post_attention_layernorm",
                           .gate = "model.layers.{}.mlp.gate_proj",
                           .up = "model.layers.{}.mlp.up_proj",
                           .down = "model.layers.{}.mlp.down_proj"}};

DecoderConfig llama_from_gguf(const GgufFile& file) {
  DecoderConfig config;
  config.family = "llama";
  const auto size = [&](const char* key) { return checked_size(file.integer(key), key, "GGUF"); };
  config.layers = size("llama.block_count");
  config.hidden = size("llama.embedding_length");
  config.intermediate = size("llama.feed_forward_length");
  config.max_positions = size("llama.context_length");
  config.norm_eps = file.number("llama.attention.layer_norm_rms_epsilon");
  config.attention.heads = size("llama.attention.head_count");
  const auto size_or = [&](const char* key, std::int64_t fallback) {
    return checked_size(file.integer_or(key, fallback), key, "GGUF");
  };
  config.attention.kv_heads = size_or("llama.attention.head_count_kv", config.attention.heads);
  config.attention.head_dim = size_or("llama.attention.key_length", config.hidden / config.attention.heads);
  if (file.integer_or("llama.rope.dimension_count", config.attention.head_dim) != config.attention.head_dim) {
    throw Error(ErrorKind::kUnsupported, "GGUF: partial rotary embedding is not supported for llama");
  }
  const std::string scaling = file.text_or("llama.rope.scaling.type", "none");
  if (scaling != "none")
    throw Error(ErrorKind::kUnsupported, "GGUF: rope scaling '" + scaling + "' is not supported");
  config.rope_theta = file.number_or("llama.rope.freq_base", 10000.0);
  config.vocabulary = file.shape("token_embd.weight").at(0);
  config.tied_head = !file.contains("output.weight");
  finish_attention(config, "GGUF");
  return config;
}

std::string llama_gguf_name(const std::string& hf_name) {
  if (hf_name == "model.embed_tokens.weight") return "token_embd.weight";
  if (hf_name == "model.norm.weight") return "output_norm.weight";
  if (hf_name == "lm_head.weight") return "output.weight";
  constexpr std::string_view kLayers = "model.layers.";
  if (hf_name.rfind(kLayers, 0) != 0) return hf_name;
  const std::size_t dot = hf_name.find('.', kLayers.size());
  const std::string layer = hf_name.substr(kLayers.size(), dot - kLayers.size());
  static const std::pair<const char*, const char*> kParts[] = {
      {"input_layernorm.weight", "attn_norm.weight"},
      {"self_attn.q_proj.weight", "attn_q.weight"},
      {"self_attn.k_proj.weight", "attn_k.weight"},
      {"self_attn.v_proj.weight", "attn_v.weight"},
      {"self_attn.o_proj.weight", "attn_output.weight"},
      {"post_attention_layernorm.weight", "ffn_norm.weight"},
      {"mlp.gate_proj.weight", "ffn_gate.weight"},
      {"mlp.up_proj.weight", "ffn_up.weight"},
      {"mlp.down_proj.weight", "ffn_down.weight"},
  };
  for (const auto& [hf, gguf] : kParts) {
    if (hf_name.substr(dot + 1) == hf) return "blk." + layer + "." + gguf;
  }
  return hf_name;
}

}  // namespace quiver
