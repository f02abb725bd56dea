#pragma once

#include <filesystem>
#include <string>

#include "core/json.h"
#include "quiver/expert.h"

namespace quiver {

// The content of expert.json: what PEFT's files have no place for.
struct ExpertRecord {
  ExpertInfo info;
  std::string weights_sha256;  // of adapter_model.safetensors; empty: not recorded
};

// Throws Error(kNotFound, kIo), kCorruptFile for a broken file, kUnsupported for a newer format.
ExpertRecord read_expert_record(const std::filesystem::path& path);
Json make_expert_record(const ExpertRecord& record);

}  // namespace quiver
