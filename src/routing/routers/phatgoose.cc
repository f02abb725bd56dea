#include <cmath>

#include "kernels/mixture_reference.h"
#include "routing/routers/router_method.h"
#include "routing/routers/token_settings.h"

namespace quiver {
namespace {

// Muqeeth et al. 2024, section 3: LN(x) . LN(v) / sqrt(d), v the trained gate, LN without affine part.
MixtureRule rule(const RouterOptions& options, std::int64_t width) {
  return {
      .input = RouterInput::kStandardized,
      .logits = LogitKind::kSigned,
      .temperature = options.temperature > 0 ? options.temperature : std::sqrt(static_cast<double>(width)),
      .kept_sum_epsilon = options.compat == Compat::kPhatgoose ? 1e-6 : 0};
}

}  // namespace

const RouterMethod kPhatgooseRouter = {
    .info = {.name = "phatgoose",
             .kind = RouterClass::kToken,
             .help = "each token by a gate that was trained for each expert",
             .combines = true,
             .selects = true,
             .settings = shared_settings()},
    .set_defaults = [](RouterOptions& options) { options.top_k = 2; },
    .exists_in = [](Compat compat) { return compat != Compat::kPeft; },
    .artefact = [](const RouterOptions&) -> std::string { return "phatgoose"; },
    .command = [](const RouterOptions&, const std::string& uri) { return "prototypes phatgoose " + uri; },
    .rule = rule,
    .prepare = [](const RouterOptions&, const at::Tensor& gates) { return standardized_rows(gates); },
};

}  // namespace quiver
