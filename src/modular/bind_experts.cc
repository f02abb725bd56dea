#include "modular/bind_experts.h"

#include <algorithm>
#include <set>

#include "core/strings.h"
#include "quiver/error.h"
#include "routing/calibration.h"
#include "routing/prototypes.h"
#include "routing/statistics.h"

namespace quiver {
namespace {

std::int64_t slot_index(const BaseModel& base, const std::string& path, const std::string& expert) {
  const std::vector<LinearSlot>& slots = base.slots();
  const auto found =
      std::find_if(slots.begin(), slots.end(), [&](const LinearSlot& slot) { return slot.path == path; });
  if (found == slots.end()) {
    std::vector<std::string> paths;
    for (const LinearSlot& slot : slots) paths.push_back(slot.path);
    throw Error(ErrorKind::kInvalidArgument,
                "expert '" + expert + "' adapts '" + path + "', which the base model " + base.name() +
                    " does not have",
                did_you_mean(path, paths));
  }
  return found - slots.begin();
}

void check_shape(const LoraWeights& weights, const LinearSlot& slot, const std::string& expert) {
  if (weights.a.size(1) == slot.in && weights.b.size(0) == slot.out) return;
  throw Error(ErrorKind::kInvalidArgument,
              "expert '" + expert + "' has a (" + std::to_string(weights.b.size(0)) + " x " +
                  std::to_string(weights.a.size(1)) + ") update for '" + slot.path +
                  "', the base model's layer is (" + std::to_string(slot.out) + " x " +
                  std::to_string(slot.in) + ")",
              "the expert was trained on another base model");
}

std::string kind_of(const RouterOptions& router) {
  const RouterMethod& method = router_method(router.router);
  return method.artefact == nullptr ? "" : method.artefact(router);
}

std::set<std::string> names_needed(const ExpertLibrary& library, std::span<const RouterOptions> routers) {
  std::set<std::string> names;
  for (const RouterOptions& router : routers) {
    if (router.router == kBaseRouter.info.name) continue;
    // mttl takes the scale of the first expert for all.
    const RouterMethod& method = router_method(router.router);
    if (method.named_experts == nullptr || router.compat == Compat::kMttl) {
      const std::vector<std::string> present = library.names();
      if (!present.empty()) return {present.begin(), present.end()};
      throw Error(ErrorKind::kInvalidArgument, "library " + library.uri() + " has no expert",
                  "train one with `quiver train`, or import one with `quiver library import`");
    }
    for (const std::string& name : method.named_experts(router)) {
      if (!library.contains(name)) {
        throw Error(ErrorKind::kNotFound, "expert '" + name + "' is not among the experts",
                    did_you_mean(name, library.names()));
      }
      names.insert(name);
    }
  }
  return names;
}

}  // namespace

ExpertScales scales_of(const RouterOptions& router) {
  return router.compat == Compat::kMttl ? ExpertScales::kOfTheFirst : ExpertScales::kOwn;
}

BaseFacts base_facts(const BaseModel& base) {
  BaseFacts facts{base.shape().layers, base.shape().hidden, base.fingerprint(), base.name(), {}};
  for (const LinearSlot& slot : base.slots()) facts.slots.push_back(slot.path);
  return facts;
}

BoundExpert bind_expert(const BaseModel& base, const Expert& expert,
                        const std::map<std::string, double>& scales) {
  check_base(expert.info, base.fingerprint(), base.name());
  BoundExpert bound{.info = expert.info, .factors = {}};
  for (const auto& [path, weights] : expert.modules) {
    const std::int64_t slot = slot_index(base, path, expert.info.name);
    check_shape(weights, base.slots()[static_cast<std::size_t>(slot)], expert.info.name);
    const auto given = scales.find(path);
    const double scale = given == scales.end() ? weights.scale : given->second;
    bound.factors[slot] = {weights.a.contiguous(), (weights.b.t() * scale).contiguous()};
  }
  return bound;
}

LoadedExperts load_experts(const BaseModel& base, const ExpertLibrary& library,
                           std::span<const RouterOptions> routers) {
  std::set<std::string> kinds;
  std::set<ExpertScales> scales;
  for (const RouterOptions& router : routers) {
    if (router.router == kBaseRouter.info.name) continue;
    for (const std::string& kind : router_artefacts(router)) kinds.insert(kind);
    scales.insert(scales_of(router));
  }
  const std::vector<std::string> wanted(kinds.begin(), kinds.end());
  LoadedExperts loaded;
  std::map<ExpertScales, std::vector<std::shared_ptr<const BoundExpert>>> bound;
  std::map<std::string, double> first_scales;
  for (const std::string& name : names_needed(library, routers)) {
    ExpertWithArtefacts one = library.load_with_artefacts(name, wanted);
    for (const auto& [path, weights] : one.expert.modules) first_scales.try_emplace(path, weights.scale);
    for (const ExpertScales scale : scales) {
      const bool is_own = scale == ExpertScales::kOwn;
      bound[scale].push_back(std::make_shared<const BoundExpert>(
          is_own ? bind_expert(base, one.expert) : bind_expert(base, one.expert, first_scales)));
    }
    loaded.artefacts.push_back(std::move(one.artefacts));
  }
  for (auto& [scale, experts] : bound) {
    loaded.sets[scale] = ExpertSet(std::move(experts));
    check_tasks(loaded.sets[scale]);
  }
  return loaded;
}

std::vector<const Artefact*> require_artefacts(const ExpertSet& experts,
                                               std::span<const std::map<std::string, Artefact>> artefacts,
                                               const RouterOptions& router, const std::string& uri) {
  std::vector<const Artefact*> result;
  const std::string kind = kind_of(router);
  if (kind.empty()) return result;
  for (std::size_t e = 0; e < experts.size(); ++e) {
    const auto found = artefacts[e].find(kind);
    if (found == artefacts[e].end()) {
      throw Error(ErrorKind::kNotFound,
                  "expert '" + experts[e].info.name + "' has no " + kind +
                      (kind == kStatisticsKind || kind == kCalibrationKind ? "" : " prototypes") + " in " +
                      uri,
                  "compute them with `quiver " + router_method(router.router).command(router, uri) + "`");
    }
    result.push_back(&found->second);
  }
  return result;
}

namespace {

// Checks that what was computed with a base was computed with this one.
void check_artefacts(const BaseModel& base, const ExpertSet& experts, std::span<const Artefact* const> own,
                     const std::string& kind, const std::string& uri) {
  for (std::size_t e = 0; e < own.size(); ++e) {
    if (kind == kStatisticsKind)
      read_statistics(experts[e].info, own[e]->settings, own[e]->tensors, base.fingerprint(), base.name(),
                      uri);
    if (kind == kCalibrationKind)
      check_calibration(experts[e].info, *own[e], base.fingerprint(), base.name(), uri);
  }
}

// Slots with one input take what the first of them has.
void share_inputs(const BaseModel& base, std::map<std::int64_t, at::Tensor>& by_slot) {
  for (const LinearGroup& group : base.groups()) {
    const at::Tensor* first = nullptr;
    for (const std::int64_t slot : group.slots) {
      const auto found = by_slot.find(slot);
      if (found == by_slot.end()) continue;
      if (first == nullptr) first = &found->second;
      found->second = *first;
    }
  }
}

}  // namespace

RoutingVectors make_routing_vectors(const BaseModel& base, const ExpertSet& experts,
                                    std::span<const std::map<std::string, Artefact>> artefacts,
                                    const RouterOptions& router, const std::string& uri) {
  const RouterMethod& method = router_method(router.router);
  const std::vector<const Artefact*> own = require_artefacts(experts, artefacts, router, uri);
  const std::string kind = kind_of(router);
  check_artefacts(base, experts, own, kind, uri);
  const BaseFacts facts = base_facts(base);
  std::vector<std::map<std::int64_t, at::Tensor>> from_weights(experts.size());
  for (std::size_t e = 0; e < experts.size() && method.vectors_of != nullptr; ++e)
    from_weights[e] = method.vectors_of({router, experts, facts, uri}, e);
  RoutingVectors result;
  for (const std::int64_t slot : experts.slots()) {
    const LinearSlot& layer = base.slots()[static_cast<std::size_t>(slot)];
    const std::string key = method.vector_key == nullptr ? layer.path : method.vector_key(layer.path);
    std::vector<at::Tensor> rows;
    std::int64_t most = 1;  // vectors an expert
    for (std::size_t e = 0; e < experts.size(); ++e) {
      at::Tensor of_expert;
      const bool is_single = from_weights[e].empty();  // of an artefact
      if (!is_single) {
        const auto found = from_weights[e].find(slot);
        if (found != from_weights[e].end()) of_expert = found->second;
      } else if (!own.empty()) {
        const auto found = own[e]->tensors.find(key);
        if (found != own[e]->tensors.end())
          of_expert = found->second.dim() == 1 ? found->second.unsqueeze(0) : found->second;
      }
      if (!of_expert.defined() || of_expert.dim() != 2 || of_expert.size(1) != layer.in ||
          of_expert.size(0) < 1 || (is_single && of_expert.size(0) != 1) || !of_expert.is_floating_point()) {
        throw Error(ErrorKind::kInvalidArgument,
                    "expert '" + experts[e].info.name + "' has no " +
                        (is_single && !kind.empty() ? kind : router.router) + " prototype of width " +
                        std::to_string(layer.in) + " for '" + layer.path + "'",
                    "all experts of a routed model must adapt the same layers" +
                        (!is_single || kind.empty() ? std::string()
                                                    : "; recompute with `quiver " +
                                                          method.command(router, uri) + "` and --recompute"));
      }
      check_prototypes(of_expert.narrow(0, 0, 1), std::vector<std::string>{experts[e].info.name}, layer.path);
      most = std::max(most, of_expert.size(0));
      rows.push_back(of_expert.to(at::kFloat));
    }
    // Rows of zeros change no norm.
    for (at::Tensor& row : rows) row = at::constant_pad_nd(row, {0, 0, 0, most - row.size(0)});
    result.vectors[slot] = at::cat(rows);
    if (kind != kCalibrationKind) continue;
    std::vector<at::Tensor> lines;
    for (std::size_t e = 0; e < experts.size(); ++e)
      lines.push_back(
          calibration_of(experts[e].info, *own[e], method.calibration_key(router, layer.path), uri));
    result.calibration[slot] = at::stack(lines);
  }
  if (router_setting(router, "granularity") == "input") {
    share_inputs(base, result.vectors);
    share_inputs(base, result.calibration);
  }
  return result;
}

}  // namespace quiver
