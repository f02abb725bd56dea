#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "expert/adapter_config.h"
#include "quiver/expert.h"

namespace quiver {

// The modules of an adapter_model.safetensors or adapter_model.bin (by its suffix) under their full names, as
// float32, with the scales of `config`. Throws Error(kNotFound, kIo), kUnsupported for a tensor that is no
// part of plain LoRA, a head or an embedding, and kCorruptFile for half a module, several adapters, shapes or
// modules that contradict the config, and non-finite numbers; each names the tensor or module. Warns as
// AdapterConfig::check.
std::map<std::string, LoraWeights> read_adapter_tensors(const std::filesystem::path& path,
                                                        const AdapterConfig& config);

// The tensors of `expert`, whose modules have their full names, under PEFT's names and checked. Throws
// Error(kInvalidArgument) naming the module when weights are missing, not float32, of shapes that do not fit
// or not finite.
std::map<std::string, at::Tensor> make_adapter_tensors(const Expert& expert);

}  // namespace quiver
