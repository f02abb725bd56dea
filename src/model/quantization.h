#pragma once

#include <filesystem>
#include <string>

#include "core/json.h"
#include "tensor/checkpoint.h"

namespace quiver {

// Weights that another library quantized stand as integers or 8-bit floats with scales beside them, which the
// decoder does not read. Each throws Error(kUnsupported) naming what says so: a setting of config.json
// (`config`, its whole content), or the names of tensors.
void refuse_quantization(const Json& config, const std::string& where);
void refuse_quantized_tensors(const Checkpoint& checkpoint, const std::filesystem::path& directory);

// Throws Error(kUnsupported) unless the tensor holds floating-point numbers of at least 16 bits.
void check_weight_type(const Checkpoint& checkpoint, const std::string& name,
                       const std::filesystem::path& directory);

}  // namespace quiver
