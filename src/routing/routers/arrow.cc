#include <ATen/ATen.h>

#include <cmath>

#include "routing/prototypes.h"
#include "routing/routers/arrow_ties.h"
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

bool is_scaled(const RouterOptions& options) { return router_setting(options, "scale") == "yes"; }
bool is_tied(const RouterOptions& options) { return router_setting(options, "tie_params") != "none"; }

// mttl's ArrowTransform with `scale`, `tie_params` and `tie_op`. The artefact knows none of them.
std::map<std::int64_t, at::Tensor> vectors_of(const RouterParts& parts, std::size_t expert) {
  if (!is_scaled(parts.options) && !is_tied(parts.options)) return {};
  std::vector<TiedUpdate> updates = tied_updates(parts, expert);
  std::vector<at::Tensor> a, b;
  for (const TiedUpdate& update : updates) {
    a.push_back(update.a);
    b.push_back(update.b);
  }
  std::vector<at::Tensor> vectors;
  try {
    vectors = arrow_prototypes(a, b);
  } catch (const Error& error) {
    throw Error(error.kind(), "expert '" + parts.experts[expert].info.name + "': " + error.what(),
                error.hint());
  }
  // mttl's B A is without the scale, which is the first expert's for all.
  const LoraConfig& first = parts.experts[0].info.lora;
  const double scale =
      parts.options.compat == Compat::kMttl ? first.alpha / static_cast<double>(first.rank) : 1.0;
  std::map<std::int64_t, at::Tensor> by_slot;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    at::Tensor vector = vectors[i].unsqueeze(0);
    if (is_scaled(parts.options)) {
      const at::Tensor stretched =
          at::mv(b[i].to(at::kDouble), at::mv(a[i].to(at::kDouble), vectors[i].to(at::kDouble)));
      vector = vector * (stretched.square().sum() / (scale * scale)).to(at::kFloat);
    }
    for (const std::int64_t slot : updates[i].slots) by_slot[slot] = vector;
  }
  return by_slot;
}

std::string artefact(const RouterOptions& options) {
  const bool from_weights = is_scaled(options) || is_tied(options);
  if (from_weights && options.compat != Compat::kNone && options.compat != Compat::kMttl) {
    throw Error(ErrorKind::kInvalidArgument,
                compat_name(options.compat) + " has no 'scale' and no 'tie_params' of Arrow",
                "they are mttl's: leave them or --compat out");
  }
  if (from_weights) return "";
  return options.compat == Compat::kPeft ? "arrow_peft" : "arrow";
}

std::vector<RouterSetting> settings() {
  std::vector<RouterSetting> own = {
      {.name = "scale",
       .help = "yes: each prototype times the square of its singular value",
       .fallback = "no",
       .words = {"no", "yes"}},
      {.name = "tie_params",
       .help = "slots with one prototype for all: a regular expression as in training, or none",
       .fallback = "none",
       .is_text = true},
      {.name = "tie_op",
       .help = "of tied updates: concat (one below the other) or sum",
       .fallback = "concat",
       .words = {"concat", "sum"}}};
  return join_settings(join_settings(own, norm_settings()), shared_settings());
}

}  // namespace

const RouterMethod kArrowRouter = {
    .info = {.name = "arrow",
             .kind = RouterClass::kToken,
             .help = "each token by |x . p|, p the direction that an expert's update stretches most",
             .combines = true,
             .selects = true,
             .settings = settings()},
    .set_defaults = set_defaults,
    .artefact = artefact,
    .command =
        [](const RouterOptions& options, const std::string& uri) {
          return "prototypes arrow " + uri + (options.compat == Compat::kPeft ? " --compat peft" : "");
        },
    .rule = rule,
    .vectors_of = vectors_of,
    .prepare = normed_vectors,
};

}  // namespace quiver
