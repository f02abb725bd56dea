#include "routing/routers/router_method.h"

namespace quiver {

const RouterMethod kExpertRouter = {
    .info = {.name = "expert", .help = "one expert, given by name, for everything"},
    .named_experts = [](const RouterOptions& options) { return std::vector<std::string>{options.expert}; },
    .fit = [](const RouterParts& parts,
              std::span<const Artefact* const>) -> std::shared_ptr<const SequenceRule> {
      return std::make_shared<ConstantRule>(
          std::vector<ExpertShare>{{parts.experts.index_of(parts.options.expert), 1}});
    },
};

}  // namespace quiver
