#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace quiver {

// The folder of a library:
//
// * library.json: {"format": "quiver-library", "format_version": 1}
// * <expert>/: one folder an expert, as save_expert writes it; the folder's name counts
// * <expert>/artefacts/<kind>.safetensors
// * .lock: writers take turns by it
// * .staging/: what a writer prepares; leftovers belong to writers that died
//
// Nothing here needs tensors: the program lists a library without loading LibTorch.
inline constexpr char kManifestFile[] = "library.json";
inline constexpr char kArtefactFolder[] = "artefacts";
inline constexpr char kStagingFolder[] = ".staging";
inline constexpr char kFirstTemporaries[] = ".tmp-";  // what 0.1.0 was writing into an expert's folder

bool is_library(const std::filesystem::path& root);

// Writes the manifest of a new, empty library.
void write_manifest(const std::filesystem::path& root);

// Throws Error(kNotFound) where there is no library, kCorruptFile or kUnsupported for a manifest that is
// broken or newer.
void check_manifest(const std::filesystem::path& root, const std::string& uri);

// The names of the folders that can be experts, sorted bytewise. One read of the folder, whatever its size.
// Throws Error(kIo).
std::vector<std::string> expert_names(const std::filesystem::path& root);

std::filesystem::path artefact_path(const std::filesystem::path& expert, const std::string& kind);

// Deletes what writers that died have left. REQUIRES: the caller holds the library's WriteLock.
void clean_staging(const std::filesystem::path& root);

}  // namespace quiver
