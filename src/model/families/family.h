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

// A width or a count of layers, heads, tokens or positions, as the model's settings give it. Throws
// Error(kCorruptFile) naming `key` unless it is in 1 .. 2^24: more fits no memory, and products of two such
// numbers cannot overflow.
std::int64_t checked_size(std::int64_t value, const std::string& key, const std::string& where);

// The same for a key that must be there.
std::int64_t require_size(const Json& config, const std::string& key, const std::string& where);

extern const Family kLlamaFamily;
extern const Family kGptNeoFamily;

// Llama in GGUF form: its metadata, and the GGUF name for a Hugging Face tensor name.
DecoderConfig llama_from_gguf(const GgufFile& file);
std::string llama_gguf_name(const std::string& hf_name);

}  // namespace quiver
