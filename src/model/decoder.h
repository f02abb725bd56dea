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
  at::Tensor weight;  // (width)
  at::Tensor bias;    // (width) or undefined
};

struct DecoderLayer {
  NormWeights attention_norm, mlp_norm;          // a parallel block has no mlp_norm
  NormWeights attention_out_norm, mlp_out_norm;  // of a sandwich block
  NormWeights query_norm, key_norm;              // over a head; undefined where the family has none
  StackedLinear qkv;                             // (qkv_width, D)
  StackedLinear attention_out;                   // (D, query_width)
  StackedLinear mlp_in;                          // gated: gate then up, (2 I, D); else (I, D)
  StackedLinear mlp_out;                         // (D, I)
};

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
  FrozenMatrix embedding;   // (V, D)
  at::Tensor positions;     // (max_positions, D) or undefined
  StackedLinear head;       // (V, D)
  NormWeights final_norm;
  std::vector<DecoderLayer> layers;
  std::vector<LinearSlot> slots;
  std::vector<LinearGroup> groups;
};

// Reads every weight, checks its shape, and builds the parts. Throws as BaseModel::load.
std::unique_ptr<const BaseModel::Parts> load_parts(const WeightSource& source,
                                                   const BaseModelOptions& options);

struct SequenceCache::State {
  State(std::shared_ptr<CachePool> from, std::int64_t most);
  ~State();

  std::shared_ptr<CachePool> pool;
  std::int64_t capacity;
  std::int64_t length = 0;
  std::vector<at::Tensor> pages = {};

  // Pages for `tokens` positions.
  void reserve(std::int64_t tokens);
};

}  // namespace quiver
