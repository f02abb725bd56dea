#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>

#include "mttl/mttl_info.h"
#include "quiver/expert.h"
#include "tensor/torch_value.h"

namespace quiver {

// A module path as mttl spells it, without the name `model` of its wrapper around the Hugging Face model.
std::string without_mttl_wrapper(const std::string& path);

// The modules of an expert from mttl's tensors: `<module>.lora_a` (in, r) and `<module>.lora_b` (r, out), any
// floating type. With tie_params one module of a block holds the A of all, as expert.py of mttl writes it.
// `where` goes into messages. Throws Error(kUnsupported) for a tensor that belongs to no plain LoRA,
// kCorruptFile for half a module, shapes that contradict each other or the rank, and non-finite numbers; each
// names the tensor or module.
std::map<std::string, LoraWeights> make_lora_modules(const std::map<std::string, at::Tensor>& tensors,
                                                     const MttlInfo& info, const std::string& where);

// mttl has one rank and one alpha an expert: smaller ranks are padded with zeros, and B takes up what a
// module's scale differs by.
struct MttlWeights {
  TorchValue tensors;
  std::int64_t rank = 0;
  double alpha = 0;
};
// REQUIRES: the expert is valid, as those of a library are.
MttlWeights make_mttl_weights(const Expert& expert);

}  // namespace quiver
