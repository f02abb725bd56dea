#include <cmath>

#include "routing/routers/router_method.h"
#include "routing/routers/token_settings.h"

namespace quiver {
namespace {

// Ostapenko et al. 2024, section 4: |x . p| with p the top right singular vector of B A. x as it is; the sign
// of a prototype means nothing.
MixtureRule rule(const RouterOptions& options, std::int64_t width) {
  MixtureRule rule{.input = input_of(options),
                   .logits = LogitKind::kAbsolute,
                   .temperature = options.temperature > 0 ? options.temperature : 1};
  if (options.compat == Compat::kPhatgoose) {
    rule.temperature =
        (options.temperature > 0 ? options.temperature : 10) * std::sqrt(static_cast<double>(width));
    rule.kept_sum_epsilon = 1e-6;
  }
  return rule;
}

void set_defaults(RouterOptions& options) {
  const bool as_mttl = options.compat == Compat::kNone || options.compat == Compat::kMttl;
  if (as_mttl) options.combine = Combine::kParameter;
  if (options.compat == Compat::kPhatgoose) options.top_k = 2;
  if (options.compat == Compat::kPeft) options.top_k = 3;
}

}  // namespace

const RouterMethod kArrowRouter = {
    .info = {.name = "arrow",
             .kind = RouterClass::kToken,
             .help = "each token by |x . p|, p the direction that an expert's update stretches most",
             .combines = true,
             .selects = true,
             .settings = join_settings(norm_settings(), prior_settings())},
    .set_defaults = set_defaults,
    .artefact = [](const RouterOptions& options) -> std::string {
      return options.compat == Compat::kPeft ? "arrow_peft" : "arrow";
    },
    .command =
        [](const RouterOptions& options, const std::string& uri) {
          return "prototypes arrow " + uri + (options.compat == Compat::kPeft ? " --compat peft" : "");
        },
    .rule = rule,
    .prepare = normed_vectors,
};

}  // namespace quiver
