#include "routing/calibration.h"

#include <ATen/ATen.h>

#include "core/json.h"
#include "quiver/error.h"
#include "tensor/finite.h"

namespace quiver {
namespace {

std::string command(const std::string& uri) { return "quiver prototypes calibration " + uri + " -c FILE"; }

std::string text_of(const Json& settings, const char* key) {
  const auto found = settings.find(key);
  return found != settings.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::string calibration_projection_key(const std::string& path) { return path + ".projection"; }
std::string calibration_activation_key(const std::string& path) { return path + ".activation"; }

void check_calibration(const ExpertInfo& expert, const Artefact& artefact, const std::string& fingerprint,
                       const std::string& base_name, const std::string& uri) {
  const std::string of_base = text_of(artefact.settings, "base_fingerprint");
  if (of_base == fingerprint) return;
  const std::string which = "the calibration of expert '" + expert.name + "'";
  if (of_base.empty())
    throw Error(ErrorKind::kCorruptFile, which + " does not say of which base it is",
                "compute it again: " + command(uri) + " --recompute");
  throw Error(
      ErrorKind::kInvalidArgument,
      which + " is of the base model " + text_of(artefact.settings, "base_model") + ", not of " + base_name,
      "load that base, or compute it with this one: " + command(uri) + " --base BASE");
}

at::Tensor calibration_of(const ExpertInfo& expert, const Artefact& artefact, const std::string& key,
                          const std::string& uri) {
  const auto found = artefact.tensors.find(key);
  if (found != artefact.tensors.end() && found->second.sizes() == at::IntArrayRef{2} &&
      found->second.scalar_type() == at::kFloat && all_finite(found->second) &&
      found->second[1].item<float>() > 0)
    return found->second;
  throw Error(ErrorKind::kCorruptFile,
              "the calibration of expert '" + expert.name + "' has no mean and deviation '" + key + "'",
              "compute it again: " + command(uri) + " --recompute");
}

}  // namespace quiver
