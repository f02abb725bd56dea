#pragma once

#include "core/json.h"
#include "model/decoder_config.h"

namespace quiver {

// One model family: how its settings and tensor names map onto the one decoder.
struct Family {
  DecoderConfig (*from_config)(const Json& config, const std::string& where);
  TensorNames names;
};

// By `model_type` of config.json. Throws Error(kUnsupported) naming it and the known families.
const Family& find_family(const std::string& model_type, const std::string& where);

// A width or a count of layers, heads, tokens or positions, as the model's settings give it. Throws
// Error(kCorruptFile) naming `key` unless it is in 1 .. 2^24: more fits no memory, and products of two such
// numbers cannot overflow.
std::int64_t checked_size(std::int64_t value, const std::string& key, const std::string& where);

// The same for a key that must be there, and for one that may be absent or null. Throws
// Error(kInvalidArgument) for what is not a whole number.
std::int64_t require_size(const Json& config, const std::string& key, const std::string& where);
std::int64_t size_or(const Json& config, const std::string& key, std::int64_t fallback,
                     const std::string& where);

// The number of layers: fewer than any file could hold, since some settings are made for each.
std::int64_t require_layers(const Json& config, const std::string& key, const std::string& where);

// What a norm adds under its root. Throws Error(kCorruptFile) for what is negative or not finite.
double norm_eps_or(const Json& config, const std::string& key, double fallback, const std::string& where);

// The activation under `key`, e.g. "silu", as the MLP it makes. Throws Error(kUnsupported) naming it.
MlpKind plain_mlp(const Json& config, const std::string& key, const std::string& where);
MlpKind gated_mlp(const Json& config, const std::string& key, const std::string& where);

// Throws Error(kUnsupported) naming the first of `keys` that is set (not null, false or 0): settings that
// change the computation and that the decoder does not have.
void refuse_settings(const Json& config, std::initializer_list<const char*> keys, const std::string& where);

// Throws Error(kCorruptFile) unless heads, key/value heads and head width fit together.
void check_heads(const AttentionShape& attention, const std::string& where);

// GPT-2's tensor names, of which GPT-Neo's are a variant.
TensorNames gpt2_names();

extern const Family kGemma3Family;
extern const Family kGpt2Family;
extern const Family kGptNeoFamily;
extern const Family kLlamaFamily;
extern const Family kMistralFamily;
extern const Family kPhiFamily;
extern const Family kPhi3Family;
extern const Family kQwen2Family;
extern const Family kQwen3Family;

}  // namespace quiver
