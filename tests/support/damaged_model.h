#pragma once

#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>

#include "core/files.h"
#include "support/golden.h"
#include "tensor/safetensors.h"

namespace quiver::test {

using Weights = std::map<std::string, at::Tensor>;

constexpr float kLargest = std::numeric_limits<float>::max();

// tiny_llama with a head of its own and weights changed by `edit`, in a folder that must not exist yet.
inline std::filesystem::path write_changed_model(const std::filesystem::path& directory,
                                                 const std::function<void(Weights&)>& edit) {
  std::filesystem::copy(golden_path("tiny_llama"), directory);
  std::filesystem::permissions(directory, std::filesystem::perms::owner_all);
  Json config = read_json_file(directory / "config.json");
  config["tie_word_embeddings"] = false;
  write_file_atomic(directory / "config.json", dump_json(config));
  Weights tensors;
  const SafetensorsFile file = SafetensorsFile::open(golden_path("tiny_llama/model.safetensors"));
  for (const std::string& name : file.names()) tensors[name] = file.read(name);
  tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone();
  edit(tensors);
  write_safetensors(directory / "model.safetensors", tensors);
  return directory;
}

inline std::shared_ptr<const BaseModel> changed_model(const std::function<void(Weights&)>& edit) {
  const ScratchDirectory scratch;
  return BaseModel::load(write_changed_model(scratch / "model", edit));
}

// Finite weights, with which the keys of layer 0 are beyond float32 for every text.
inline void overflow_keys(Weights& weights) {
  weights.at("model.layers.0.input_layernorm.weight").mul_(1000);
  weights.at("model.layers.0.self_attn.k_proj.weight")[1].fill_(kLargest);
}

}  // namespace quiver::test
