#pragma once

namespace quiver {

// How a base model's weights are kept. Everything else (norms, rotary angles, caches, hidden states,
// adapters) is bfloat16 for kBFloat16, except that adapters are float32 always, and float32 for the others.
enum class Precision {
  // Computed with as float32. In memory, on the CPU, 16-bit weights and GGUF's blocks stay as their file has
  // them, and are expanded to float32 where they are used.
  kFloat32,
  kBFloat16,
  // As kFloat32, with 16-bit and 32-bit weights of linear layers and embeddings rounded to 8 bits, 32 of a
  // row to a scale; those whose rows are no multiple of 32 long stay as they are. CPU only.
  kQ8,
};

inline const char* precision_name(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "float32";
    case Precision::kBFloat16:
      return "bfloat16";
    case Precision::kQ8:
      return "q8";
  }
  return "";
}

}  // namespace quiver
