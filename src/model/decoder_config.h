#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/attention.h"

namespace quiver {

enum class NormKind { kRmsNorm, kLayerNorm };
enum class MlpKind { kSwiGlu, kGeluTanh };

// Everything about a pre-norm decoder that differs between families. A family file fills it from config.json
// or from GGUF metadata; the decoder reads nothing else.
struct DecoderConfig {
  std::string family;
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t intermediate = 0;
  std::int64_t vocabulary = 0;
  std::int64_t max_positions = 0;
  NormKind norm = NormKind::kRmsNorm;
  double norm_eps = 1e-5;
  MlpKind mlp = MlpKind::kSwiGlu;
  AttentionShape attention;           // window is per layer, below
  std::vector<std::int64_t> windows;  // (layers); 0: global attention
  std::optional<double> rope_theta;   // none: learned positions
  bool tied_head = true;
  std::vector<std::int32_t> stop_ids;
};

// The Hugging Face names of a family's tensors; "{}" stands for the layer. An empty name: the family has no
// such part. Linear layers are given as module paths: their weight is path + ".weight", their bias, if any,
// path + ".bias".
struct TensorNames {
  std::string embedding, positions, final_norm, head;
  std::string attention_norm, query, key, value, attention_out;
  std::string mlp_norm, gate, up, down;  // gate is empty for a plain two-layer MLP

  static std::string at_layer(const std::string& pattern, std::int64_t layer) {
    const std::size_t place = pattern.find("{}");
    return place == std::string::npos
               ? pattern
               : pattern.substr(0, place) + std::to_string(layer) + pattern.substr(place + 2);
  }
};

}  // namespace quiver
