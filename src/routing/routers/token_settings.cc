#include "routing/routers/token_settings.h"

#include "kernels/mixture_reference.h"
#include "routing/routers/router_method.h"

namespace quiver {

std::vector<RouterSetting> norm_settings() {
  return {{.name = "input_norm",
           .help = "what is done to a token first: id, norm_d (LayerNorm) or unit (length 1)",
           .fallback = "id",
           .words = {"id", "norm_d", "unit"}},
          {.name = "proto_norm",
           .help = "what is done to the routing vectors: id, norm_d, norm_p (LayerNorm over experts) or unit",
           .fallback = "id",
           .words = {"id", "norm_d", "norm_p", "unit"}}};
}

std::vector<RouterSetting> shared_settings() {
  return {
      {.name = "granularity",
       .help = "what decides for itself: each slot, or each input (q, k and v decide as the first of them)",
       .fallback = "slot",
       .words = {"slot", "input"}},
      {.name = "prior",
       .help = "what is known of the whole prompt: none, or prompt (the router of that name)",
       .fallback = "none",
       .words = {"none", "prompt"}},
      {.name = "prior_weight", .help = "how much a prior counts", .fallback = "1", .least = 0, .most = 1e6}};
}

std::string statistics_command(const RouterOptions&, const std::string& uri) {
  return "prototypes statistics " + uri + " -c FILE";
}

std::vector<RouterSetting> join_settings(std::vector<RouterSetting> first,
                                         const std::vector<RouterSetting>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

RouterInput input_of(const RouterOptions& options) {
  const std::string norm = router_setting(options, "input_norm");
  if (norm == "norm_d") return RouterInput::kStandardized;
  return norm == "unit" ? RouterInput::kUnit : RouterInput::kPlain;
}

at::Tensor normed_vectors(const RouterOptions& options, const at::Tensor& vectors) {
  const std::string norm = router_setting(options, "proto_norm");
  at::Tensor result = vectors.to(at::kFloat);
  if (norm == "norm_d") result = standardized_rows(result);
  if (norm == "norm_p") result = standardized_rows(result.t()).t();
  if (norm == "unit") result = result / at::linalg_vector_norm(result, 2, {1}, true).clamp_min(1e-12);
  // (x - mean x) . p = x . (p - mean p)
  if (input_of(options) == RouterInput::kStandardized) result = result - result.mean(1, true);
  return result.contiguous();
}

}  // namespace quiver
