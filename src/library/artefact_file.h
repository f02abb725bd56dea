#pragma once

#include <filesystem>

#include "quiver/library.h"

namespace quiver {

// An artefact as one safetensors file whose metadata holds the settings and the digest of its expert.
void write_artefact_file(const std::filesystem::path& path, const Artefact& artefact);

// Throws Error(kNotFound, kIo) and kCorruptFile for a file that is no artefact.
Artefact read_artefact_file(const std::filesystem::path& path);

}  // namespace quiver
