#pragma once

#include <filesystem>
#include <string>

#include "quiver/library.h"

namespace quiver {

// An artefact as one safetensors file whose metadata holds the settings and the digest of its expert.
void write_artefact_file(const std::filesystem::path& path, const Artefact& artefact);

// Throws Error(kNotFound, kIo) and kCorruptFile for a file that is no artefact.
Artefact read_artefact_file(const std::filesystem::path& path);

// Whether an artefact may be used with weights of this digest.
bool fits_weights(const Artefact& artefact, const std::string& digest);

// Copies those files in the folder of artefacts `from` that are of no weights into the folder `to`, which is
// made where there are any. A broken file stays behind.
void copy_artefacts_of_no_weights(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace quiver
