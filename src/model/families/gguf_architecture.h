#pragma once

#include <map>
#include <string>

#include "model/families/family.h"
#include "tensor/gguf.h"

namespace quiver {

// A GGUF model's settings in the spelling of config.json, for the family that it belongs to.
struct GgufArchitecture {
  const Family* family = nullptr;
  Json config;
  bool heads_are_interleaved = false;  // q and k rows hold rotary pairs side by side: (2i, 2i + 1)
};

// By `general.architecture`. Throws Error(kUnsupported) naming an unknown one or a setting that the family
// does not have, kCorruptFile for missing settings.
GgufArchitecture read_gguf_architecture(const GgufFile& file);

// The GGUF name of every tensor that the decoder reads, by its Hugging Face name.
std::map<std::string, std::string> gguf_tensor_names(const TensorNames& names, std::int64_t layers);

}  // namespace quiver
