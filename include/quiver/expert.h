#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace quiver {

// Where and how a LoRA was put into its base model. The two regexes follow the reference: `modify_modules` is
// matched whole against a module's path, `modify_layers` whole against the local name of a linear layer in it
// (empty: the path alone decides).
struct LoraConfig {
  std::int64_t rank = 4;
  double alpha = 16;
  double dropout = 0;  // probability, on the input of A, in training only
  std::string modify_modules = ".*";
  std::string modify_layers;
  bool init_b_random = false;
};

// The update of one linear layer, W x + scale * B A x (Hu et al. 2021, section 4.1).
struct LoraWeights {
  at::Tensor a;      // (rank, in) float32
  at::Tensor b;      // (out, rank) float32
  double scale = 1;  // alpha / rank, or alpha / sqrt(rank) for rank-stabilised imports
};

// What is known about an expert besides its weights.
struct ExpertInfo {
  std::string name;
  std::vector<std::string>
      tasks;                     // training tasks; several for a cluster, none for an import that did not say
  std::string base_model;        // name or path of the model it was trained on
  std::string base_fingerprint;  // of that model's weights; empty: unknown, as in imports
  LoraConfig lora;
  nlohmann::json training = nlohmann::json::object();  // the settings it was trained with
  nlohmann::json metrics = nlohmann::json::object();   // what training measured
};

// A LoRA expert as a value: copying shares the tensors, which nobody writes to.
struct Expert {
  ExpertInfo info;
  // Key: the module's path in a Hugging Face model of text alone, e.g. "model.layers.0.self_attn.q_proj".
  std::map<std::string, LoraWeights> modules;
  // Where the decoder stands in a model that has other inputs beside text: "model.language_model". The files
  // of the expert then name its modules "model.language_model.layers.0...". Empty: the decoder is the model.
  std::string decoder = {};
};

// Reads a PEFT LoRA adapter (adapter_config.json, adapter_model.safetensors or else adapter_model.bin), with
// or without Quiver's expert.json beside it. Without it the name is the folder's, tasks and fingerprint are
// empty. Weights of other precision become float32; rank_pattern, alpha_pattern and use_rslora end up in each
// module's scale. Pickled weights are read without running anything in them.
//
// Throws Error: kNotFound (folder or a file is missing), kUnsupported with the name of what cannot be run
// exactly (DoRA, biases, modules_to_save, embeddings, other adapter types, ...), kCorruptFile (half a module,
// shapes or modules that contradict the config, non-finite numbers, broken JSON or pickle).
Expert load_expert(const std::filesystem::path& directory);

// Writes the three files as one folder, in one step. An expert that already stands there is replaced; a
// folder that holds anything else is refused with Error(kAlreadyExists). Throws Error(kInvalidArgument) for
// weights of the wrong shape or type or with non-finite numbers, Error(kIo) when the disk refuses; then what
// stood there still stands.
void save_expert(const Expert& expert, const std::filesystem::path& directory);

// SHA-256 over module names, weights and scales (the scale as float32, the precision it is applied in). Equal
// for experts that compute the same; independent of name, tasks and metrics.
std::string expert_digest(const Expert& expert);

// Throws Error(kInvalidArgument), naming both models, when the expert was trained on other base weights than
// those with `fingerprint`. An expert of unknown origin passes.
void check_base(const ExpertInfo& expert, const std::string& fingerprint, const std::string& base_name);

}  // namespace quiver
