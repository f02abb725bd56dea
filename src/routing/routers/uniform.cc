#include "routing/routers/router_method.h"

namespace quiver {
namespace {

bool has_uniform(Compat compat) { return compat == Compat::kNone || compat == Compat::kMttl; }

std::shared_ptr<const SequenceRule> fit(const RouterParts& parts, std::span<const Artefact* const>) {
  std::vector<ExpertShare> shares;
  for (std::size_t e = 0; e < parts.experts.size(); ++e)
    shares.push_back({e, 1.0 / static_cast<double>(parts.experts.size())});
  return std::make_shared<ConstantRule>(std::move(shares));
}

}  // namespace

const RouterMethod kUniformRouter = {
    .info = {.name = "uniform", .help = "every expert with the same weight", .combines = true},
    .set_defaults = [](RouterOptions& options) { options.combine = Combine::kParameter; },
    .exists_in = has_uniform,
    .fit = fit,
};

}  // namespace quiver
