#pragma once

namespace quiver {

// Storage and compute type of a base model's weights. Adapters are float32 in any case.
enum class Precision { kFloat32, kBFloat16 };

}  // namespace quiver
