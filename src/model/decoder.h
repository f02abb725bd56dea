#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "model/decoder_config.h"
#include "model/stacked_linear.h"
#include "model/weight_source.h"
#include "quiver/base_model.h"

namespace quiver {

struct NormWeights {
  at::Tensor weight;  // (D)
  at::Tensor bias;    // (D) or undefined
};

struct DecoderLayer {
  NormWeights attention_norm, mlp_norm;
  StackedLinear qkv;            // (qkv_width, D)
  StackedLinear attention_out;  // (D, query_width)
  StackedLinear mlp_in;         // SwiGLU: gate then up, (2 I, D); else (I, D)
  StackedLinear mlp_out;        // (D, I)
};

// The four linear groups of a layer, in the order of their indices: group = 4 * layer + kind.
enum class GroupKind { kQkv = 0, kAttentionOut = 1, kMlpIn = 2, kMlpOut = 3 };
constexpr std::int64_t kGroupsPerLayer = 4;

// A model's weights in the layout of the forward pass.
struct BaseModel::Parts {
  DecoderConfig config;
  ModelShape shape;
  std::string name;
  std::string fingerprint;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::int32_t eos_id = 0;
  Precision precision = Precision::kFloat32;
  at::TensorOptions state;  // type and place of hidden states and caches
  StackedLinear embedding;  // (V, D)
  at::Tensor positions;     // (max_positions, D) or undefined
  StackedLinear head;       // (V, D)
  NormWeights final_norm;
  std::vector<DecoderLayer> layers;
  at::Tensor rotary_cos, rotary_sin;  // (max_positions, head_dim / 2) float32, or undefined
  std::vector<LinearSlot> slots;
  std::vector<LinearGroup> groups;
};

// Reads every weight, checks its shape, and builds the parts. Throws as BaseModel::load.
std::unique_ptr<const BaseModel::Parts> load_parts(const WeightSource& source,
                                                   const BaseModelOptions& options);

struct SequenceCache::State {
  std::vector<KeyValueCache> layers;
};

}  // namespace quiver
