#include "model/families/family.h"
#include "tensor/file_problem.h"

namespace quiver {
namespace {

// attention_types, e.g. [[["global", "local"], 6]], spelled out to one kind per layer; 0 for global, else the
// window.
std::vector<std::int64_t> layer_windows(const Json& config, std::int64_t layers, const std::string& where) {
  const auto window = json_value<std::int64_t>(config, "window_size", 256, where);
  std::vector<std::int64_t> windows;
  const Json fallback = Json::parse(R"([[["global", "local"], 12]])");
  const Json types = config.contains("attention_types") ? config.at("attention_types") : fallback;
  try {
    for (const Json& run : types) {
      const auto kinds = run.at(0).get<std::vector<std::string>>();
      const auto repeats = run.at(1).get<std::int64_t>();
      if (kinds.empty()) continue;
      for (std::int64_t i = 0; i < repeats && static_cast<std::int64_t>(windows.size()) <= layers; ++i) {
        for (const std::string& kind : kinds) {
          if (kind != "global" && kind != "local") {
            throw Error(ErrorKind::kUnsupported,
                        where + ": attention type '" + printable(kind) + "' is not supported");
          }
          windows.push_back(kind == "local" ? window : 0);
        }
      }
    }
  } catch (const Json::exception&) {
    throw Error(ErrorKind::kCorruptFile, where + ": 'attention_types' is not a list of [kinds, repeats]: " +
                                             printable(dump_json(types)));
  }
  if (static_cast<std::int64_t>(windows.size()) != layers || window <= 0) {
    throw Error(ErrorKind::kCorruptFile, where + ": 'attention_types' describes " +
                                             std::to_string(windows.size()) + " layers, 'num_layers' is " +
                                             std::to_string(layers));
  }
  return windows;
}

DecoderConfig from_config(const Json& json, const std::string& where) {
  DecoderConfig config;
  config.family = "gpt_neo";
  config.layers = require_layers(json, "num_layers", where);
  config.hidden = require_size(json, "hidden_size", where);
  config.intermediate = size_or(json, "intermediate_size", 4 * config.hidden, where);
  config.vocabulary = require_size(json, "vocab_size", where);
  config.max_positions = require_size(json, "max_position_embeddings", where);
  config.norm = NormKind::kLayerNorm;
  config.norm_eps = norm_eps_or(json, "layer_norm_epsilon", 1e-5, where);
  config.mlp = plain_mlp(json, "activation_function", where);
  AttentionShape& attention = config.attention;
  attention.heads = attention.kv_heads = require_size(json, "num_heads", where);
  if (config.hidden % attention.heads != 0) {
    throw Error(ErrorKind::kCorruptFile, where + ": hidden_size " + std::to_string(config.hidden) +
                                             " is not a multiple of num_heads " +
                                             std::to_string(attention.heads));
  }
  attention.head_dim = config.hidden / attention.heads;
  attention.scale = 1.0;  // GPT-Neo does not divide by sqrt(head_dim)
  config.windows = layer_windows(json, config.layers, where);
  config.has_bias = {false, true, true, true};
  config.tied_head = json_value(json, "tie_word_embeddings", true, where);
  return config;
}

TensorNames names() {
  TensorNames names = gpt2_names();
  names.query = "transformer.h.{}.attn.attention.q_proj";
  names.key = "transformer.h.{}.attn.attention.k_proj";
  names.value = "transformer.h.{}.attn.attention.v_proj";
  names.attention_out = "transformer.h.{}.attn.attention.out_proj";
  names.linear_weights_are_transposed = false;
  return names;
}

}  // namespace

const Family kGptNeoFamily{from_config, names()};

}  // namespace quiver
