#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "modular/routing_vectors.h"
#include "quiver/base_model.h"
#include "quiver/library.h"
#include "routing/expert_set.h"
#include "routing/routers/router_method.h"

namespace quiver {

// alpha / rank of each expert, or of the first by name for all, as mttl takes it.
enum class ExpertScales { kOwn, kOfTheFirst };

// What routers read of a library, for one base.
struct LoadedExperts {
  std::map<ExpertScales, ExpertSet> sets;                  // those that the routers need
  std::vector<std::map<std::string, Artefact>> artefacts;  // by expert, then by kind
};

ExpertScales scales_of(const RouterOptions& router);

// The experts that the routers need, sorted by name: those that `expert:NAME` names, or all; each read once
// and laid out before the next is read, with the artefacts that the routers need, of one version. Throws what
// ExpertLibrary::load_with_artefacts does, and Error(kInvalidArgument) for an empty library, an expert of
// another base, a module that the base does not have (naming both), a shape that does not fit, and two
// experts that claim one task.
LoadedExperts load_experts(const BaseModel& base, const ExpertLibrary& library,
                           std::span<const RouterOptions> routers);

// One expert laid out for `base`. `scales`: what counts in place of the expert's own, by module path; modules
// that it does not name keep theirs. Throws as above.
BoundExpert bind_expert(const BaseModel& base, const Expert& expert,
                        const std::map<std::string, double>& scales = {});

// From the experts' artefacts or weights. Throws what read_statistics() and check_calibration() do, and
// Error(kNotFound) naming the expert and the command that computes them for the library at `uri`.
RoutingVectors make_routing_vectors(const BaseModel& base, const ExpertSet& experts,
                                    std::span<const std::map<std::string, Artefact>> artefacts,
                                    const RouterOptions& router, const std::string& uri);

// The artefact of one kind of every expert. Throws Error(kNotFound) as above.
std::vector<const Artefact*> require_artefacts(const ExpertSet& experts,
                                               std::span<const std::map<std::string, Artefact>> artefacts,
                                               const RouterOptions& router, const std::string& uri);

BaseFacts base_facts(const BaseModel& base);

}  // namespace quiver
