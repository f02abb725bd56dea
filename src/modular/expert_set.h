#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quiver/base_model.h"
#include "quiver/library.h"
#include "quiver/router.h"

namespace quiver {

// The experts of one slot, stacked: E experts, padded with zeros to the largest rank r.
struct SlotExperts {
  at::Tensor a;  // (E, r, in) float32
  at::Tensor b;  // (E, r, out) float32, transposed and with each expert's scale folded in
};

// Experts of a library laid out for one base model. Immutable after loading; shared by every router over it.
struct ExpertSet {
  std::vector<ExpertInfo> experts;            // sorted by name; the order of every expert index
  std::map<std::int64_t, SlotExperts> slots;  // key: index into BaseModel::slots()

  std::vector<std::string> names() const;
  // The index of the expert trained on a task (its own name counts as a task when it lists none).
  std::optional<std::size_t> find_task(const std::string& task) const;
  // Throws Error(kNotFound) with the nearest names.
  std::size_t index_of(const std::string& expert) const;
  std::vector<std::string> tasks() const;
};

// alpha / rank of each expert, or of the first by name for all, as mttl takes it.
enum class ExpertScales { kOwn, kOfTheFirst };

// Whether a router chooses by vectors that were computed from the experts.
bool needs_vectors(RouterKind kind);

// The experts that the routers need, sorted by name: those that `expert:NAME` names, or all; each read once,
// with the artefacts that the routers need, of one version. Throws what ExpertLibrary::load_with_artefacts
// does, and Error(kInvalidArgument) for an empty library.
std::vector<ExpertWithArtefacts> load_experts(const ExpertLibrary& library,
                                              std::span<const RouterOptions> routers);

// Throws Error(kInvalidArgument) for an expert of another base, a module that the base does not have (naming
// both), a shape that does not fit, two experts that claim one task, or no expert.
std::shared_ptr<const ExpertSet> make_expert_set(const BaseModel& base, std::vector<Expert> experts,
                                                 ExpertScales scales = ExpertScales::kOwn);

// Routing vectors (E, in) float32 by slot index of the experts that `experts` was made of, from their
// artefacts of the kind "arrow", "arrow_peft" or "phatgoose". Throws Error(kNotFound) naming the expert and
// the command that computes them for the library at `uri`.
std::map<std::int64_t, at::Tensor> make_routing_vectors(const BaseModel& base, const ExpertSet& experts,
                                                        std::span<const ExpertWithArtefacts> loaded,
                                                        const RouterOptions& router, const std::string& uri);

}  // namespace quiver
