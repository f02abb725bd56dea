#include "model/families/llama_like.h"

namespace quiver {

namespace {

DecoderConfig from_config(const Json& json, const std::string& where) {
  DecoderConfig config = read_llama_like("llama", json, where);
  set_attention_bias(config, json, where);
  config.has_bias[2] = config.has_bias[3] = json_value(json, "mlp_bias", false, where);
  config.bias_setting[2] = config.bias_setting[3] = "mlp_bias";
  return config;
}

}  // namespace

const Family kLlamaFamily{from_config, llama_names()};

}  // namespace quiver
