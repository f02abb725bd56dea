#include "quiver/expert.h"

#include <ATen/ATen.h>

#include "quiver/error.h"
#include "tensor/digest.h"

namespace quiver {

std::string expert_digest(const Expert& expert) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [module, weights] : expert.modules) {
    tensors[module + ".lora_A"] = weights.a;
    tensors[module + ".lora_B"] = weights.b;
    tensors[module + ".scale"] = at::full({1}, weights.scale, at::kFloat);
  }
  return tensor_digest(tensors);
}

void check_base(const ExpertInfo& expert, const std::string& fingerprint, const std::string& base_name) {
  if (expert.base_fingerprint.empty() || expert.base_fingerprint == fingerprint) return;
  throw Error(ErrorKind::kInvalidArgument,
              "expert '" + expert.name + "' was trained on '" + expert.base_model + "' (weights " +
                  expert.base_fingerprint.substr(0, 12) + "), not on '" + base_name + "' (weights " +
                  fingerprint.substr(0, 12) + ")",
              "give the base model that the expert was trained on");
}

}  // namespace quiver
