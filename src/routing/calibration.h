#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "quiver/expert.h"
#include "quiver/library.h"

namespace quiver {

// The artefact `calibration`: how long an expert's own prompts are along its update. It depends on the base,
// the prompts and the expert's weights.
inline constexpr char kCalibrationKind[] = "calibration";

// Of one layer, (2) float32: mean and standard deviation over all tokens of the lengths |V^T x| (V the
// update's directions) and |D x|, for inputs x that the base alone gives to the layer.
std::string calibration_projection_key(
    const std::string& path);  // "model.layers.0.self_attn.q_proj.projection"
std::string calibration_activation_key(const std::string& path);  // "... .activation"

// Throws Error(kInvalidArgument) naming both for an artefact of another base than that with `fingerprint` and
// `base_name`, Error(kCorruptFile) for one that does not say its base. `uri` is for hints.
void check_calibration(const ExpertInfo& expert, const Artefact& artefact, const std::string& fingerprint,
                       const std::string& base_name, const std::string& uri);

// The artefact's tensor `key`. Throws Error(kCorruptFile) unless it is there, finite, and its deviation above
// 0.
at::Tensor calibration_of(const ExpertInfo& expert, const Artefact& artefact, const std::string& key,
                          const std::string& uri);

}  // namespace quiver
