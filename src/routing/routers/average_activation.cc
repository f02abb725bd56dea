#include <cmath>

#include "routing/routers/router_method.h"
#include "routing/routers/token_settings.h"
#include "routing/statistics.h"

namespace quiver {
namespace {

// mttl's avg_act_router: x . p / T, p the mean of the base's inputs to the slot
// over the expert's own training prompts, at length 1.
MixtureRule rule(const RouterOptions& options, std::int64_t width) {
  return {
      .input = input_of(options),
      .logits = LogitKind::kSigned,
      .temperature = options.temperature > 0 ? options.temperature : std::sqrt(static_cast<double>(width))};
}

at::Tensor prepare(const RouterOptions& options, const at::Tensor& means) {
  return normed_vectors(options, means / at::linalg_vector_norm(means, 2, {1}, true).clamp_min(1e-12));
}

}  // namespace

const RouterMethod kAverageActivationRouter = {
    .info = {.name = "average_activation",
             .kind = RouterClass::kToken,
             .help = "each token by its likeness to what an expert's own "
                     "prompts give to the layer",
             .combines = true,
             .selects = true,
             .settings = join_settings(norm_settings(), shared_settings())},
    .set_defaults = [](RouterOptions& options) { options.combine = Combine::kParameter; },
    .exists_in = [](Compat compat) { return compat == Compat::kNone || compat == Compat::kMttl; },
    .artefact = [](const RouterOptions&) -> std::string { return kStatisticsKind; },
    .command = statistics_command,
    .rule = rule,
    .vector_key = [](const std::string& slot) { return statistics_input_key(slot); },
    .prepare = prepare,
};

}  // namespace quiver
