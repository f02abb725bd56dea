#pragma once

namespace quiver {

// How a base model's weights are kept. Everything else (norms, rotary angles, caches, hidden states,
// adapters) is bfloat16 for kBFloat16, except that adapters are float32 always, and float32 for the others.
enum class Precision {
  kFloat32,
  kBFloat16,
  // Linear layers and the embedding in 8 bits, 32 of a row to a scale. Q8_0 tensors of a GGUF file as they
  // are, others rounded. CPU only, no training.
  kQ8,
  // As kQ8, with the Q4_0 and Q4_1 tensors of a GGUF file kept in 4 bits as they are; there must be some.
  kQ4,
};

inline const char* precision_name(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "float32";
    case Precision::kBFloat16:
      return "bfloat16";
    case Precision::kQ8:
      return "q8";
    case Precision::kQ4:
      return "q4";
  }
  return "";
}

inline bool is_quantised(Precision precision) {
  return precision == Precision::kQ8 || precision == Precision::kQ4;
}

}  // namespace quiver
