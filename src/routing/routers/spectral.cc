#include <cmath>

#include "routing/prototypes.h"
#include "routing/routers/router_method.h"
#include "routing/routers/token_settings.h"

namespace quiver {
namespace {

// Logits |V^T x| with V the right singular vectors of D = s B A (SpectR, LAG),
// or, with score=activation, |D x| = |R A x| with B = Q R. Arrow is the first
// vector alone.
at::Tensor vectors_of(const RouterOptions& options, const LoraFactors& factors) {
  const at::Tensor a = factors.a.to(at::kCPU, at::kDouble), b = factors.b.to(at::kCPU, at::kDouble);
  // D = b^T a with b (r, out): b^T = Q R.
  const at::Tensor r = std::get<1>(at::linalg_qr(b.t(), "r"));           // (r', r)
  const at::Tensor core = at::mm(r, a);                                  // (r', in), |D x| = |core x|
  const auto [u, s, v] = at::linalg_svd(core, /*full_matrices=*/false);  // v (r', in)
  if (s[0].item<double>() == 0) return at::zeros({1, a.size(1)});        // refused by name as a prototype
  const at::Tensor kept = s > s[0] * 1e-6;                               // directions that D has
  at::Tensor rows = v.index_select(0, kept.nonzero().squeeze(1));
  if (router_setting(options, "score") == "activation")
    rows = rows * s.index_select(0, kept.nonzero().squeeze(1)).unsqueeze(1);
  return rows.to(at::kFloat).contiguous();
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
                                        {.name = "weights",
                                         .help = "of the chosen experts: softmax or equal",
                                         .fallback = "softmax",
                                         .words = {"softmax", "equal"}}},
                                       prior_settings())},
    .exists_in = [](Compat compat) { return compat == Compat::kNone; },
    .rule = rule,
    .vectors_of = vectors_of,
};

}  // namespace quiver
