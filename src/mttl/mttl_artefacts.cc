#include "mttl/mttl_artefacts.h"

#include <ATen/ATen.h>

#include <optional>

#include "expert/module_names.h"
#include "mttl/mttl_weights.h"
#include "quiver/error.h"
#include "tensor/dtype.h"
#include "tensor/finite.h"
#include "tensor/torch_file.h"
#include "tensor/torch_json.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

constexpr std::string_view kSelector = ".selector.";

// The middle of "<expert>.<data type>.bin"; names of experts have no dots.
std::string data_type(const fs::path& file) {
  const std::string stem = file.stem().string();
  return stem.substr(stem.find('.') + 1);
}

// The artefact that a file's data type becomes, or nothing. Data types are the transform's settings class,
// which was renamed once, and a hash of the settings.
std::optional<std::string> kind_of(const std::string& type) {
  const std::string transform = type.substr(0, type.find('-'));
  if (transform == "arrowconfig" || transform == "arrowtransformconfig") {
    if (type.ends_with("_protos") || type.ends_with("_vectors")) return "arrow";
  }
  if (transform == "phatgooseconfig" || transform == "phatgoosetransformconfig") return "phatgoose";
  return std::nullopt;
}

Artefact read_artefact(const fs::path& file, const Expert& expert) {
  const TorchValue value = read_torch_file(file);
  const TorchValue* data = value.find("data");
  const TorchValue* config = value.find("config");
  Artefact artefact{.settings = imported_settings(config == nullptr ? Json() : to_json(*config)),
                    .tensors = {}};
  for (const auto& [name, tensor] : tensors_of(data == nullptr ? value : *data, file)) {
    // A gate is "<module>.selector.<expert>.v", a vector of Arrow "<module>".
    const std::string module =
        split_module_name(without_mttl_wrapper(name.substr(0, name.find(kSelector)))).path;
    artefact.tensors[module] = tensor.to(at::kFloat).flatten().contiguous();
  }
  check_vectors(artefact.tensors, expert, file.string());
  return artefact;
}

}  // namespace

Json imported_settings(const Json& config) { return {{"imported_from", "mttl"}, {"config", config}}; }

void check_vectors(const std::map<std::string, at::Tensor>& vectors, const Expert& expert,
                   const std::string& where) {
  for (const auto& [module, weights] : expert.modules) {
    const auto found = vectors.find(module);
    if (found == vectors.end())
      throw Error(ErrorKind::kCorruptFile, where + ": no vector for '" + module + "'");
    if (found->second.sizes() != at::IntArrayRef{weights.a.size(1)} || !all_finite(found->second)) {
      throw Error(ErrorKind::kCorruptFile, where + ": the vector of '" + module + "' has shape " +
                                               shape_text(found->second.sizes()) + ", not " +
                                               shape_text({{weights.a.size(1)}}) + ", or is not finite");
    }
  }
  if (vectors.size() != expert.modules.size()) {
    throw Error(ErrorKind::kCorruptFile, where + ": " + std::to_string(vectors.size()) +
                                             " vectors for an expert of " +
                                             std::to_string(expert.modules.size()) + " modules");
  }
}

std::map<std::string, Artefact> read_mttl_artefacts(const std::vector<fs::path>& files, const Expert& expert,
                                                    std::vector<std::string>& left_out,
                                                    std::vector<std::string>& problems) {
  // The first of several settings by name, and of Arrow's the prototypes: they carry the scale that was asked
  // for.
  std::map<std::string, fs::path> chosen;
  for (const fs::path& file : files) {
    const std::optional<std::string> kind = kind_of(data_type(file));
    if (!kind) continue;
    const auto [place, first] = chosen.emplace(*kind, file);
    const bool better =
        data_type(file).ends_with("_protos") && !data_type(place->second).ends_with("_protos");
    if (!first && better) place->second = file;
  }
  std::map<std::string, Artefact> artefacts;
  for (const fs::path& file : files) {
    const std::optional<std::string> kind = kind_of(data_type(file));
    if (!kind || chosen.at(*kind) != file) {
      left_out.push_back(file.filename().string());
      continue;
    }
    try {
      artefacts.emplace(*kind, read_artefact(file, expert));
    } catch (const Error& error) {
      problems.push_back(error.what());
    }
  }
  return artefacts;
}

}  // namespace quiver
