#pragma once

#include <functional>

#include "model/families/family.h"

namespace quiver {

// What families that are built like Llama take for settings that their files leave out.
struct LlamaLikeDefaults {
  double norm_eps = 1e-6;
  bool tied_head = false;
  const char* activation_key = "hidden_act";
  bool has_partial_rotary = false;
};

// The settings that Llama, Mistral, Qwen, Phi-3 and Gemma name alike: sizes, norms, activation, rope, and
// global attention in every layer.
DecoderConfig read_llama_like(const std::string& family, const Json& config, const std::string& where,
                              const LlamaLikeDefaults& defaults = {});

// `partial_rotary_factor` of a family in which whole heads turn: set to 1, with a warning, as transformers
// reads past it.
void ignore_partial_factor(Json& rope, const std::string& family, const std::string& where);

// `attention_bias`: whether q, k, v and the output of attention have one.
void set_attention_bias(DecoderConfig& config, const Json& json, const std::string& where);

// Llama's tensor names.
TensorNames llama_names();

// Whether each layer slides its window, as `layer_types` says; `fallback` where the file does not say.
std::vector<bool> sliding_layers(const Json& config, std::int64_t layers, const std::string& where,
                                 const std::function<bool(std::int64_t layer)>& fallback);

// Gives the sliding layers the window of `sliding_window`. Throws Error(kCorruptFile) when there is none.
void set_windows(DecoderConfig& config, const std::vector<bool>& sliding, const Json& json,
                 const std::string& where);

}  // namespace quiver
