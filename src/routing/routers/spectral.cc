#include "routing/calibration.h"
#include "routing/routers/router_method.h"
#include "routing/routers/token_settings.h"
#include "routing/update_directions.h"

namespace quiver {
namespace {

// Logits |V^T x| with V the right singular vectors of D = s B A (SpectR, LAG), or, with score=activation,
// |D x|. Arrow is the first vector alone. calibrate=yes: less their mean, over their standard deviation, on
// the expert's own prompts (SEQR).
std::map<std::int64_t, at::Tensor> vectors_of(const RouterParts& parts, std::size_t expert) {
  const bool is_activation = router_setting(parts.options, "score") == "activation";
  std::map<std::int64_t, at::Tensor> vectors;
  for (const auto& [slot, factors] : parts.experts[expert].factors) {
    const UpdateDirections update = update_directions(factors);
    vectors[slot] = is_activation ? update.stretched : update.directions;  // zeros are refused by name
  }
  return vectors;
}

bool is_calibrated(const RouterOptions& options) { return router_setting(options, "calibrate") == "yes"; }

std::string calibration_key(const RouterOptions& options, const std::string& slot) {
  return router_setting(options, "score") == "activation" ? calibration_activation_key(slot)
                                                          : calibration_projection_key(slot);
}

MixtureRule rule(const RouterOptions& options, std::int64_t) {
  return {.logits = LogitKind::kNorm,
          .prefilter = static_cast<std::int64_t>(router_number(options, "prefilter")),
          .temperature = options.temperature > 0 ? options.temperature : 1,
          .equal_weights = router_setting(options, "weights") == "equal"};
}

}  // namespace

const RouterMethod kSpectralRouter = {
    .info = {.name = "spectral",
             .kind = RouterClass::kToken,
             .help = "each token by the length of its part in the directions "
                     "that an expert's update reads",
             .combines = true,
             .selects = true,
             .settings = join_settings({{.name = "score",
                                         .help = "projection: |V^T x|, V the update's directions; "
                                                 "activation: |D x|",
                                         .fallback = "projection",
                                         .words = {"projection", "activation"}},
                                        {.name = "prefilter",
                                         .help = "only experts whose first direction is among so "
                                                 "many best; 0: all",
                                         .fallback = "0",
                                         .most = 1e6,
                                         .is_whole = true},
                                        {.name = "calibrate",
                                         .help = "yes: each expert's score less its mean, over its standard "
                                                 "deviation, on the expert's own prompts",
                                         .fallback = "no",
                                         .words = {"no", "yes"}},
                                        {.name = "weights",
                                         .help = "of the chosen experts: softmax or equal",
                                         .fallback = "softmax",
                                         .words = {"softmax", "equal"}}},
                                       shared_settings())},
    .exists_in = [](Compat compat) { return compat == Compat::kNone; },
    .artefact = [](const RouterOptions& options) -> std::string {
      return is_calibrated(options) ? kCalibrationKind : "";
    },
    .command = [](const RouterOptions&,
                  const std::string& uri) { return "prototypes calibration " + uri + " -c FILE"; },
    .rule = rule,
    .vectors_of = vectors_of,
    .calibration_key = calibration_key,
};

}  // namespace quiver
