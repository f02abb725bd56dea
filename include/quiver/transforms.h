#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "quiver/base_model.h"
#include "quiver/dataset.h"
#include "quiver/library.h"
#include "quiver/training.h"

namespace quiver {

// Cluster name -> its tasks, as clusters.json holds them.
using Clusters = std::map<std::string, std::vector<std::string>>;

struct ClusterOptions {
  std::int64_t k = 10;
  double sparsity = 0.5;  // share of each expert's weights, the smallest, that is left out
  std::uint64_t seed = 42;
};

// Model-based clustering (Ostapenko et al. 2024, section 3.1) of a library's experts by the cosine similarity
// of their sparsified weights and k-means. The clusters list the experts' training tasks (or their names, for
// experts that name none). Throws Error(kInvalidArgument) for k outside 1 .. E, sparsity outside [0, 1),
// experts of different shape.
Clusters cluster_experts(const ExpertLibrary& library, const ClusterOptions& options);

// clusters.json, whole. Throws Error(kIo).
void write_clusters(const Clusters& clusters, const std::filesystem::path& path);

enum class Recompute { kMissing, kAll };

// Called with the name of every expert that is done.
using ExpertObserver = std::function<void(const std::string&)>;

// Computes Arrow's prototype of every slot of every expert and stores them as the artefact "arrow". kMissing
// leaves those that are there and belong to the expert's present weights. Returns how many experts were
// computed.
std::int64_t compute_arrow_prototypes(ExpertLibrary& library, Recompute recompute,
                                      const ExpertObserver& observer = {});

// The same as PEFT approximates them, from this seed in every slot, as the artefact "arrow_peft": what a
// router of Compat::kPeft routes with.
std::int64_t compute_peft_prototypes(ExpertLibrary& library, std::uint64_t seed, Recompute recompute,
                                     const ExpertObserver& observer = {});

// Trains PhatGOOSE gates for every expert, each on the training rows of its own tasks in `data`, and stores
// them as the artefact "phatgoose" as each ends. kMissing leaves those that were trained with the same
// settings on the present weights. Several experts train at once (see train_experts), so that the observers
// are called from their threads, one call at a time. Returns how many experts were trained.
std::int64_t train_phatgoose_gates(ExpertLibrary& library, const BaseModel& base, const TaskDataset& data,
                                   const TrainingOptions& options, Recompute recompute,
                                   const ExpertObserver& observer = {}, const TrainingObserver& steps = {});

// The reference's settings for gates: 50 steps of 4 examples, AdamW at 1e-3 without weight decay, linear
// decay to zero without warm-up, clipping at 1.
TrainingOptions default_gate_options();

}  // namespace quiver
