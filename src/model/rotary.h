#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "core/json.h"

namespace quiver {

// A rotary position embedding (Su et al. 2021): position p turns pair i of every query and key head by
// p * frequencies[i] radians; the result is multiplied by `magnitude`.
struct RotaryEmbedding {
  at::Tensor frequencies;       // (pairs) float32; the first 2 * pairs of a head's dimensions turn
  at::Tensor long_frequencies;  // (pairs): for every position of a sequence of more than `boundary` tokens
  std::int64_t boundary = 0;    // 0: one set of frequencies for every length
  double magnitude = 1;
};

// A configuration's rope settings as one object with `rope_type`, `rope_theta` and `partial_rotary_factor`,
// whichever way they are spelled: new files keep all in `rope_parameters`, older ones theta and the factor at
// the top level and the rest in `rope_scaling`, with `type` for `rope_type`. Where both are there,
// `rope_scaling` counts. `partial_factor`, the share of a head's dimensions that turn, where they leave it
// out. Throws Error(kUnsupported) for settings by the kind of layer.
Json rope_settings(const Json& config, const std::string& where, double partial_factor = 1);

// The embedding that such settings describe. Types: default, linear, llama3, yarn (Peng et al. 2023) and
// longrope (Ding et al. 2024), all as transformers computes them. `config` gives `max_position_embeddings`
// and, where it is there, `original_max_position_embeddings`. Throws Error(kUnsupported) naming another type,
// kCorruptFile for settings that are missing or make no sense.
RotaryEmbedding make_rotary(const Json& settings, const Json& config, std::int64_t head_dim,
                            const std::string& where);

}  // namespace quiver
