#include <cmath>

#include "model/families/llama_like.h"

namespace quiver {
namespace {

Json object_at(const Json& json, const std::string& key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_object() ? *found : Json::object();
}

// Rope settings of one kind of layer, from all places at which files have them, in the order of transformers'
// Gemma3TextConfig: `rope_parameters` by layer type; for full attention the keys of `rope_scaling` over them,
// but its "type" only where no "rope_type" is set; a theta at the top level where none is set.
Json layer_rope_settings(const Json& config, const char* layer_type, const std::string& where) {
  const bool is_full = std::string(layer_type) == "full_attention";
  const Json parameters = object_at(config, "rope_parameters");
  Json settings = object_at(parameters, layer_type);
  if (parameters.empty()) settings["rope_type"] = "default";
  if (is_full) settings.update(object_at(config, "rope_scaling"));
  const char* key = is_full ? "rope_theta" : "rope_local_base_freq";
  settings["rope_theta"] =
      json_value(settings, "rope_theta", json_value(config, key, is_full ? 1e6 : 1e4, where), where);
  Json rope = rope_settings({{"rope_parameters", settings}}, where);
  ignore_partial_factor(rope, "gemma3_text", where);
  return rope;
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
  for (const char* key : {"rope_parameters", "rope_scaling", "partial_rotary_factor"}) plain.erase(key);
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
