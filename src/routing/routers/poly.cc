#include <cmath>

#include "core/json.h"
#include "quiver/error.h"
#include "routing/poly_rule.h"
#include "routing/routers/router_method.h"

namespace quiver {
namespace {

// The tasks that all experts' logits are of.
std::vector<std::string> common_tasks(const RouterParts& parts, std::span<const Artefact* const> artefacts) {
  std::vector<std::string> tasks;
  for (std::size_t e = 0; e < artefacts.size(); ++e) {
    const std::string& name = parts.experts[e].info.name;
    const Json& settings = artefacts[e]->settings;
    const Json own = settings.is_object() ? settings.value("tasks", Json()) : Json();
    try {
      const auto names = own.get<std::vector<std::string>>();
      if (e == 0) tasks = names;
      if (names == tasks) continue;
    } catch (const Json::exception&) {
      throw Error(ErrorKind::kCorruptFile,
                  "the logits 'poly' of expert '" + name + "' do not name their tasks",
                  "import the model again");
    }
    throw Error(ErrorKind::kInvalidArgument,
                "the logits 'poly' of the experts '" + parts.experts[0].info.name + "' and '" + name +
                    "' are of different tasks",
                "experts of one model belong together: keep those of others in another library");
  }
  return tasks;
}

std::shared_ptr<const SequenceRule> fit(const RouterParts& parts,
                                        std::span<const Artefact* const> artefacts) {
  PolyLogits poly{.tasks = common_tasks(parts, artefacts), .logits = {}};
  for (std::size_t slot = 0; slot < parts.base.slots.size(); ++slot) {
    std::vector<at::Tensor> columns;
    for (std::size_t e = 0; e < artefacts.size(); ++e) {
      if (parts.experts[e].factors.count(static_cast<std::int64_t>(slot)) == 0) continue;
      const auto found = artefacts[e]->tensors.find(parts.base.slots[slot]);
      if (found == artefacts[e]->tensors.end()) {
        throw Error(ErrorKind::kInvalidArgument,
                    "expert '" + parts.experts[e].info.name + "' has no logits 'poly' for '" +
                        parts.base.slots[slot] + "'",
                    "all experts of the router 'poly' must adapt the same layers");
      }
      columns.push_back(found->second);
    }
    if (columns.empty()) continue;
    if (columns.size() != artefacts.size()) {
      throw Error(ErrorKind::kInvalidArgument, "not every expert adapts '" + parts.base.slots[slot] + "'",
                  "all experts of the router 'poly' must adapt the same layers");
    }
    poly.logits[static_cast<std::int64_t>(slot)] = join_columns(columns, poly.tasks.size());
  }
  return std::make_shared<PolyRule>(std::move(poly));
}

std::shared_ptr<const SequenceRule> restore(const RouterParts& parts, const FittedTensors& tensors) {
  return std::make_shared<PolyRule>(poly_from_tensors(tensors, parts.experts));
}

}  // namespace

const RouterMethod kPolyRouter = {
    .info = {.name = "poly",
             .help = "by the task's name, with weights for each layer that were trained with the experts "
                     "(mttl's poly_router)",
             .combines = true},
    .set_defaults = [](RouterOptions& options) { options.combine = Combine::kParameter; },
    .exists_in = [](Compat compat) { return compat == Compat::kNone || compat == Compat::kMttl; },
    .artefact = [](const RouterOptions&) -> std::string { return kPolyKind; },
    .command = [](const RouterOptions&,
                  const std::string& uri) { return "library import MTTL_MODEL " + uri; },
    .fit = fit,
    .restore = restore,
};

}  // namespace quiver
