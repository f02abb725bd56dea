#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "model/rotary.h"

namespace quiver {

enum class NormKind { kRmsNorm, kLayerNorm };

// kSwiGlu, kGeGlu: gated, silu(gate) * up and gelu(gate) * up (Shazeer 2020, section 2). kGelu: two layers.
// gelu is the tanh form (Hendrycks and Gimpel 2016, section 2), which configurations call gelu_new or
// gelu_pytorch_tanh.
enum class MlpKind { kSwiGlu, kGeGlu, kGelu };

// How attention and MLP join the residual stream x:
//   kSequential  x += attention(norm(x)); x += mlp(norm'(x))
//   kParallel    x += attention(norm(x)) + mlp(norm(x))
//   kSandwich    x += norm''(attention(norm(x))); x += norm'''(mlp(norm'(x)))
enum class BlockKind { kSequential, kParallel, kSandwich };

// The groups of linear layers of a decoder layer that read one input, in the order of their indices:
// LinearGroup::index = kGroupsPerLayer * layer + kind.
enum class GroupKind { kQkv = 0, kAttentionOut = 1, kMlpIn = 2, kMlpOut = 3 };
constexpr std::int64_t kGroupsPerLayer = 4;

// Everything about a pre-norm decoder that differs between families. A family file fills it from config.json
// or from GGUF metadata; the decoder reads nothing else.
struct DecoderConfig {
  std::string family;
  std::string decoder;  // ModelShape::decoder
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t intermediate = 0;
  std::int64_t vocabulary = 0;
  std::int64_t max_positions = 0;
  NormKind norm = NormKind::kRmsNorm;
  double norm_eps = 1e-5;
  double norm_offset = 0;  // added to the stored weights of norms
  MlpKind mlp = MlpKind::kSwiGlu;
  BlockKind block = BlockKind::kSequential;
  double embedding_scale = 1;                       // embeddings are multiplied by it, rounded to their type
  AttentionShape attention;                         // window is per layer, below
  std::vector<std::int64_t> windows;                // (layers); 0: global attention
  std::vector<RotaryEmbedding> rotary;              // none: learned positions
  std::vector<std::size_t> rotary_of_layer;         // (layers) indices into rotary; empty: all use the first
  std::array<bool, kGroupsPerLayer> has_bias = {};  // by GroupKind
  std::array<std::string, kGroupsPerLayer> bias_setting = {};  // the key of config.json that says so, if any
  bool head_has_bias = false;
  bool tied_head = true;  // unless the file has a head of its own
  std::vector<std::int32_t> stop_ids;

  bool is_gated() const { return mlp != MlpKind::kGelu; }
};

// The Hugging Face names of a family's tensors; "{}" stands for the layer. An empty name: the family has no
// such part. Linear layers and norms are given as module paths: their weight is path + ".weight", their bias,
// if any, path + ".bias".
struct TensorNames {
  std::string embedding, positions, final_norm, head;
  std::string attention_norm;
  std::string query, key, value;     // key and value are empty where `query` holds the rows of all three
  std::string query_norm, key_norm;  // over each head, before the rotary embedding
  std::string attention_out;
  std::string attention_out_norm;  // kSandwich
  std::string mlp_norm;
  std::string gate, up, down;  // gate is empty for a plain MLP, or where `up` holds gate and up rows
  std::string mlp_out_norm;    // kSandwich
  bool linear_weights_are_transposed = false;  // stored (in, out), as transformers' Conv1D does

  // The linear layers of a decoder layer, in the order of their slots.
  std::vector<std::string> linear_layers() const {
    std::vector<std::string> present;
    for (const std::string& name : {query, key, value, attention_out, gate, up, down}) {
      if (!name.empty()) present.push_back(name);
    }
    return present;
  }

  static std::string at_layer(const std::string& pattern, std::int64_t layer) {
    const std::size_t place = pattern.find("{}");
    return place == std::string::npos
               ? pattern
               : pattern.substr(0, place) + std::to_string(layer) + pattern.substr(place + 2);
  }
};

}  // namespace quiver
