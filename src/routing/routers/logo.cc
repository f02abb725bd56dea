#include <algorithm>
#include <numeric>

#include "quiver/error.h"
#include "routing/routers/router_method.h"

namespace quiver {
namespace {

// LoGo: the experts that answer loudest to the prompt, without any data. s_e =
// |D_e h| with h what one block's query projection gets of the prompt's last
// token; weights s / sum s over the top_k.
class LogoRule : public SequenceRule {
 public:
  LogoRule(const ExpertSet& experts, std::int64_t slot, int top_k)
      : experts_(experts), slot_(slot), top_k_(static_cast<std::size_t>(std::max(0, top_k))) {}

  SequenceNeeds needs() const override { return {.slots = {slot_}}; }

  SequenceDecision decide(const SequenceInput& input) const override {
    const at::Tensor inputs = input.slot_inputs.at(slot_);
    const at::Tensor last = inputs[inputs.size(0) - 1].to(at::kDouble);
    std::vector<ExpertShare> shares;
    for (std::size_t e = 0; e < experts_.size(); ++e) {
      const LoraFactors& factors = experts_[e].factors.at(slot_);
      const at::Tensor hidden = at::mv(factors.a.to(at::kDouble), last);
      shares.push_back({e, at::mv(factors.b.to(at::kDouble).t(), hidden).norm().item<double>()});
    }
    std::ranges::stable_sort(shares, std::ranges::greater(), &ExpertShare::weight);
    if (top_k_ > 0 && top_k_ < shares.size()) shares.resize(top_k_);
    const double sum = std::accumulate(shares.begin(), shares.end(), 0.0,
                                       [](double part, const ExpertShare& one) { return part + one.weight; });
    if (sum == 0) return {};
    for (ExpertShare& share : shares) share.weight /= sum;
    return {.shares = std::move(shares)};
  }

 private:
  ExpertSet experts_;
  std::int64_t slot_;
  std::size_t top_k_;
};

// The slot of the first query projection (or fused projection) of a block that
// every expert adapts.
std::int64_t find_slot(const RouterParts& parts) {
  const std::string chosen = router_setting(parts.options, "block");
  const std::int64_t block = chosen.empty()
                                 ? parts.base.layers - 1
                                 : static_cast<std::int64_t>(router_number(parts.options, "block"));
  const std::string part = std::string(".").append(std::to_string(block)).append(".");
  for (std::size_t slot = 0; slot < parts.base.slots.size(); ++slot) {
    const std::string& path = parts.base.slots[slot];
    const bool is_query =
        path.ends_with(".q_proj") || path.ends_with(".qkv_proj") || path.ends_with(".c_attn");
    if (!is_query || path.find(part) == std::string::npos) continue;
    for (const auto& expert : parts.experts) {
      if (expert->factors.count(static_cast<std::int64_t>(slot)) > 0) continue;
      throw Error(ErrorKind::kInvalidArgument,
                  "expert '" + expert->info.name + "' does not adapt '" + path + "', by which logo chooses",
                  "choose another block, or another router");
    }
    return static_cast<std::int64_t>(slot);
  }
  throw Error(ErrorKind::kInvalidArgument,
              "the base model has no query projection in block " + std::to_string(block),
              "it has " + std::to_string(parts.base.layers) + " blocks, counted from 0");
}

std::shared_ptr<const SequenceRule> fit(const RouterParts& parts, std::span<const Artefact* const>) {
  return std::make_shared<LogoRule>(parts.experts, find_slot(parts), parts.options.top_k);
}

}  // namespace

const RouterMethod kLogoRouter = {
    .info = {.name = "logo",
             .kind = RouterClass::kSequence,
             .help = "the experts whose update answers loudest to the prompt's "
                     "last token; needs no data",
             .combines = true,
             .selects = true,
             .settings = {{.name = "block",
                           .help = "whose query projection is looked at; default: the last",
                           .fallback = "",
                           .most = 1e6,
                           .is_whole = true}}},
    .set_defaults = [](RouterOptions& options) { options.top_k = 3; },
    .exists_in = [](Compat compat) { return compat == Compat::kNone; },
    .fit = fit,
};

}  // namespace quiver
