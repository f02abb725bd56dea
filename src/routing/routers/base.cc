#include "routing/routers/router_method.h"

namespace quiver {

const RouterMethod kBaseRouter = {
    .info = {.name = "base", .help = "no expert: the base model alone"},
    .fit = [](const RouterParts&, std::span<const Artefact* const>) -> std::shared_ptr<const SequenceRule> {
      return std::make_shared<ConstantRule>(std::vector<ExpertShare>{});
    },
};

}  // namespace quiver
