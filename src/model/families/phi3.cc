#include "model/families/llama_like.h"

namespace quiver {
namespace {

DecoderConfig from_config(const Json& json, const std::string& where) {
  Json settings = json;
  if (json_value<std::int64_t>(json, "original_max_position_embeddings", 0, where) == 0)
    settings["original_max_position_embeddings"] = 4096;
  // The first files with long contexts called it "su" or "yarn".
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto found = settings.find(key);
    if (found == settings.end() || !found->is_object()) continue;
    for (const char* key_of_type : {"type", "rope_type"}) {
      const auto type = json_value<std::string>(*found, key_of_type, "", where);
      if (type == "su" || type == "yarn") (*found)[key_of_type] = "longrope";
    }
  }
  DecoderConfig config =
      read_llama_like("phi3", settings, where, {.norm_eps = 1e-5, .has_partial_rotary = true});
  const std::int64_t window = json_value<std::int64_t>(json, "sliding_window", 0, where);
  if (window != 0) set_windows(config, std::vector<bool>(config.windows.size(), true), json, where);
  return config;
}

// q, k and v are one layer, gate and up another.
TensorNames names() {
  TensorNames names = llama_names();
  names.query = "model.layers.{}.self_attn.qkv_proj";
  names.key = names.value = names.gate = "";
  names.up = "model.layers.{}.mlp.gate_up_proj";
  return names;
}

}  // namespace

const Family kPhi3Family{from_config, names()};

}  // namespace quiver
