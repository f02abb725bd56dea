#pragma once

#include <filesystem>
#include <string>

#include "quiver/expert.h"

namespace quiver {

// The files of an expert's folder.
inline constexpr char kAdapterConfigFile[] = "adapter_config.json";
inline constexpr char kAdapterWeightsFile[] = "adapter_model.safetensors";
inline constexpr char kPickledWeightsFile[] = "adapter_model.bin";  // read where there are no safetensors
inline constexpr char kExpertRecordFile[] = "expert.json";

// Writes the three files into an existing folder, not in one step: the caller publishes the folder. Throws as
// save_expert does.
void write_expert_files(const Expert& expert, const std::filesystem::path& directory);

// What load_expert returns as `info`, without reading tensors. Throws as load_expert does.
ExpertInfo load_expert_info(const std::filesystem::path& directory);

// Throws Error(kCorruptFile) when the weights file is not the one that expert.json was written for. Passes
// where no digest was recorded.
void check_weights_digest(const std::filesystem::path& directory);

}  // namespace quiver
