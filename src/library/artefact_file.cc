#include "library/artefact_file.h"

#include "core/json.h"
#include "tensor/finite.h"
#include "tensor/safetensors.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

constexpr char kDigestKey[] = "expert_digest";
constexpr char kSettingsKey[] = "settings";

bool is_of_no_weights(const fs::path& path) {
  try {
    const SafetensorsFile file = SafetensorsFile::open(path);
    const auto digest = file.metadata().find(kDigestKey);
    return digest != file.metadata().end() && digest->second == kOfNoWeights;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void write_artefact_file(const std::filesystem::path& path, const Artefact& artefact) {
  for (const auto& [name, tensor] : artefact.tensors) {
    if (!all_finite(tensor))
      throw Error(ErrorKind::kNotFinite, "artefact tensor '" + name + "' holds numbers that are not finite");
  }
  write_safetensors(path, artefact.tensors,
                    {{kDigestKey, artefact.expert_digest}, {kSettingsKey, dump_json(artefact.settings)}});
}

Artefact read_artefact_file(const std::filesystem::path& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const auto& metadata = file.metadata();
  const auto digest = metadata.find(kDigestKey);
  const auto settings = metadata.find(kSettingsKey);
  if (digest == metadata.end() || settings == metadata.end()) {
    throw Error(ErrorKind::kCorruptFile, "'" + path.string() + "' does not say what it was made from");
  }
  Artefact artefact;
  artefact.settings = parse_json(settings->second, path.string());
  artefact.expert_digest = digest->second;
  for (const std::string& name : file.names()) {
    const at::Tensor tensor = file.read(name);
    if (!all_finite(tensor)) {
      throw Error(ErrorKind::kCorruptFile,
                  path.string() + ": '" + name + "' holds numbers that are not finite", "compute it again");
    }
    artefact.tensors[name] = tensor;
  }
  return artefact;
}

bool fits_weights(const Artefact& artefact, const std::string& digest) {
  return artefact.expert_digest == kOfNoWeights || artefact.expert_digest == digest;
}

void copy_artefacts_of_no_weights(const fs::path& from, const fs::path& to) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(from, none)) {
    if (entry.path().extension() != ".safetensors" || !is_of_no_weights(entry.path())) continue;
    std::error_code error;
    fs::create_directory(to, error);
    if (!fs::copy_file(entry.path(), to / entry.path().filename(), error)) {
      throw Error(ErrorKind::kIo,
                  "cannot copy '" + entry.path().string() + "' to '" + to.string() + "': " + error.message());
    }
  }
}

}  // namespace quiver
