#pragma once

#include "core/json.h"
#include "model/decoder_config.h"
#include "tensor/gguf.h"

namespace quiver {

// One model family: how its settings and tensor names map onto the one decoder.
struct Family {
  DecoderConfig (*from_config)(const Json& config, const std::string& where);
  TensorNames names;
};

// By `model_type` of config.json. Throws Error(kUnsupported) naming it and the known families.
const Family& find_family(const std::string& model_type);

extern const Family kLlamaFamily;
extern const Family kGptNeoFamily;

// Llama in GGUF form: its metadata, and the GGUF name for a Hugging Face tensor name.
DecoderConfig llama_from_gguf(const GgufFile& file);
std::string llama_gguf_name(const std::string& hf_name);

}  // namespace quiver
