#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <sstream>

#include "quiver/error.h"
#include "routing/routers/router_method.h"

namespace quiver {
namespace {

// "a=0.5,b=-0.25": experts with their weights, as they were written.
std::vector<std::pair<std::string, double>> read_weights(const std::string& text) {
  std::vector<std::pair<std::string, double>> weights;
  std::set<std::string> seen;
  const auto refuse = [](const std::string& problem) {
    throw Error(ErrorKind::kInvalidArgument, "'mixture' of router 'mixture': " + problem,
                "write EXPERT=WEIGHT,EXPERT=WEIGHT");
  };
  if (text.empty()) refuse("none are given");
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t equals = part.rfind('=');  // a name may hold one
    if (equals == std::string::npos || equals == 0) refuse("'" + part + "' is no expert with a weight");
    const std::string name = part.substr(0, equals), number = part.substr(equals + 1);
    double weight = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), weight);
    if (error != std::errc() || end != number.data() + number.size() || !std::isfinite(weight))
      refuse("the weight of '" + name + "' is '" + number + "', which is no finite number");
    if (!seen.insert(name).second) refuse("'" + name + "' is named twice");
    weights.emplace_back(name, weight);
  }
  return weights;
}

std::vector<std::string> named_experts(const RouterOptions& options) {
  std::vector<std::string> names;
  for (const auto& [name, weight] : read_weights(router_setting(options, "mixture"))) names.push_back(name);
  return names;
}

std::shared_ptr<const SequenceRule> fit(const RouterParts& parts, std::span<const Artefact* const>) {
  std::vector<ExpertShare> shares;
  for (const auto& [name, weight] : read_weights(router_setting(parts.options, "mixture"))) {
    if (weight != 0) shares.push_back({parts.experts.index_of(name), weight});
  }
  std::ranges::sort(shares, {}, &ExpertShare::expert);  // sums do not depend on how it was written
  return std::make_shared<ConstantRule>(std::move(shares));
}

}  // namespace

const RouterMethod kMixtureRouter = {
    .info = {.name = "mixture",
             .help = "named experts with given weights for everything",
             .combines = true,
             .settings = {{.name = "mixture",
                           .help = "experts with their weights: EXPERT=0.7,EXPERT=0.3",
                           .fallback = "",
                           .is_text = true}}},
    .named_experts = named_experts,
    .fit = fit,
};

}  // namespace quiver
