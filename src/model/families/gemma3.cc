#include <cmath>

#include "model/families/llama_like.h"

namespace quiver {
namespace {

// Rope settings of one kind of layer: nested under its name in new files; in older ones at the top level for
// full attention, and no more than a theta for sliding attention.
Json layer_rope_settings(const Json& config, const char* layer_type, const std::string& where) {
  const bool is_full = std::string(layer_type) == "full_attention";
  const RotaryDefaults defaults{.theta = is_full ? 1e6 : 1e4};
  const auto nested = config.find("rope_parameters");
  if (nested != config.end() && nested->is_object()) {
    const Json settings = nested->value(layer_type, Json::object());
    return rope_settings({{"rope_parameters", settings}}, defaults, where);
  }
  if (is_full) return rope_settings(config, defaults, where);
  return rope_settings({{"rope_theta", json_value(config, "rope_local_base_freq", defaults.theta, where)}},
                       defaults, where);
}

// Published files leave out what equals the defaults of their first size.
Json with_defaults(const Json& config) {
  Json settings = {{"vocab_size", 262208},
                   {"hidden_size", 2304},
                   {"intermediate_size", 9216},
                   {"num_hidden_layers", 26},
                   {"head_dim", 256},
                   {"num_attention_heads", 8},
                   {"num_key_value_heads", 4},
                   {"sliding_window", 4096},
                   {"query_pre_attn_scalar", 256},
                   {"max_position_embeddings", 131072},
                   {"hidden_activation", "gelu_pytorch_tanh"}};
  for (const auto& [key, value] : config.items()) {
    if (!value.is_null()) settings[key] = value;
  }
  return settings;
}

DecoderConfig from_config(const Json& json, const std::string& where) {
  refuse_settings(json, {"final_logit_softcapping", "use_bidirectional_attention"}, where);
  const Json settings = with_defaults(json);
  // The last layer of every six sees everything.
  const std::int64_t pattern = size_or(settings, "sliding_window_pattern", 6, where);
  const auto slides = [pattern](std::int64_t layer) { return (layer + 1) % pattern != 0; };
  Json plain = settings;  // rope is read below, per kind of layer
  plain.erase("rope_parameters");
  plain.erase("rope_scaling");
  DecoderConfig config = read_llama_like("gemma3_text", plain, where,
                                         {.tied_head = true, .activation_key = "hidden_activation"});
  config.block = BlockKind::kSandwich;
  set_attention_bias(config, json, where);
  config.norm_offset = 1;
  config.embedding_scale = std::sqrt(static_cast<double>(config.hidden));
  config.attention.scale =
      1 / std::sqrt(static_cast<double>(require_size(settings, "query_pre_attn_scalar", where)));
  config.rotary.clear();
  for (const char* layer_type : {"full_attention", "sliding_attention"}) {
    config.rotary.push_back(make_rotary(layer_rope_settings(settings, layer_type, where), settings,
                                        config.attention.head_dim, where));
  }
  const std::vector<bool> sliding = sliding_layers(settings, config.layers, where, slides);
  config.rotary_of_layer.assign(sliding.begin(), sliding.end());
  set_windows(config, sliding, settings, where);
  return config;
}

TensorNames names() {
  TensorNames names = llama_names();
  names.query_norm = "model.layers.{}.self_attn.q_norm";
  names.key_norm = "model.layers.{}.self_attn.k_norm";
  names.attention_out_norm = "model.layers.{}.post_attention_layernorm";
  names.mlp_norm = "model.layers.{}.pre_feedforward_layernorm";
  names.mlp_out_norm = "model.layers.{}.post_feedforward_layernorm";
  return names;
}

}  // namespace

const Family kGemma3Family{from_config, names()};

}  // namespace quiver
