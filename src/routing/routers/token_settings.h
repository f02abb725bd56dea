#pragma once

#include <vector>

#include "kernels/mixture.h"
#include "quiver/router.h"

namespace quiver {

// mttl's norms of what a token router multiplies (PerTokenSelector): settings `input_norm` (id, norm_d, unit)
// and `proto_norm` (id, norm_d, norm_p, unit). norm_d: LayerNorm over the width; norm_p: LayerNorm over the
// experts, for every entry of the vectors; both without affine part, eps 1e-5. unit: length 1.
std::vector<RouterSetting> norm_settings();

// Settings of every token router. `prior` (none, prompt) and `prior_weight`: with prompt, prior_weight times
// the log-probability that the router `prompt` gives an expert for the whole prompt is added to every logit.
// `granularity` (slot, input): with input, slots that share an input share the vectors of the first of them,
// and so the decision; mttl's router_granularity `self_attn` for q, k and v.
std::vector<RouterSetting> shared_settings();

// Several lists as one.
std::vector<RouterSetting> join_settings(std::vector<RouterSetting> first,
                                         const std::vector<RouterSetting>& second);

RouterInput input_of(const RouterOptions& options);

// Vectors (E, d) after `proto_norm`, such that their product with what `input_norm` makes of x is the one
// that input_of() computes.
at::Tensor normed_vectors(const RouterOptions& options, const at::Tensor& vectors);

}  // namespace quiver
