#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "quiver/base_model.h"
#include "quiver/dataset.h"
#include "quiver/library.h"
#include "quiver/router.h"
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

// Which prompts an expert is described by, and how they are read.
struct StatisticsOptions {
  std::int64_t rows = 200;  // training prompts of an expert, evenly of its tasks, at least two of each
  std::uint64_t seed = 42;  // decides which
  std::int64_t max_input_length = 1024;  // tokens of a prompt
  TruncationSide truncation_side = TruncationSide::kRight;
  BeginOfText bos = BeginOfText::kAuto;  // kAuto: as each expert was trained
};

// Runs prompts that the named experts were trained on, without their answers, through the base alone and
// keeps how it sees them as the artefact "statistics": what routers read that decide by the prompt. The
// training rows of an expert's tasks are looked up in `data`; an expert that names no task has its own name
// for one. The artefact depends on the base and the rows, not on the expert's weights, and stays when the
// expert is trained again. kMissing leaves those that were made of the same rows in the same way. Several
// experts run at once, each stored as it ends; the observer is called from their threads, one call at a
// time. Returns how many were computed.
//
// Throws Error(kInvalidArgument) for a task with fewer than two training rows or an expert of another base,
// Error(kNotFinite) for a base that gives numbers that are not.
std::int64_t compute_statistics(ExpertLibrary& library, std::span<const std::string> experts,
                                const BaseModel& base, const TaskDataset& data,
                                const StatisticsOptions& options, Recompute recompute,
                                const ExpertObserver& observer = {});

// Runs the same prompts through the base alone and keeps how long each token is along the expert's update in
// every layer, mean and standard deviation, as the artefact "calibration": what `spectral` calibrates its
// scores by. The artefact depends on the base, the rows and the expert's weights; kMissing makes those anew
// that belong to other ones. Otherwise as compute_statistics(); throws Error(kInvalidArgument) also for an
// expert whose update is zero in a layer.
std::int64_t compute_calibration(ExpertLibrary& library, std::span<const std::string> experts,
                                 const BaseModel& base, const TaskDataset& data,
                                 const StatisticsOptions& options, Recompute recompute,
                                 const ExpertObserver& observer = {});

// How experts are joined into one. A, B and s are an expert's factors and scale, w its weight.
//
// kMean is mttl's weighted_linear_merge, kMttlTies its ties_merge, kWudi its wudi_merge. The others are
// PEFT's combination types: on the factors (A times sign(w) sqrt(|w| s), B times sqrt(|w| s)), or, with Svd,
// on the updates s B A, whose result is cut to a rank by a singular value decomposition.
enum class MergeMethod {
  kMean,  // sum of w A; sum of w s B. Products of different experts' factors appear, as in uniform routing
  kMttlTies,  // keeps the `density` largest numbers of each whole expert, then as kTies; weights do not count
  kWudi,      // the factors that interfere least with each expert's own (Cheng et al. 2025, eq. 10)
  kCat,       // stacks the factors: exactly the sum of the updates w s B A, of rank sum of ranks
  kLinear,    // sums
  kSvd,
  kTies,  // prunes each tensor to its largest numbers, keeps those of the majority's sign, averages them
          // (Yadav et al. 2023, section 3)
  kTiesSvd,
  kDareLinear,  // drops numbers at random and rescales the rest (Yu et al. 2023, section 3), sums
  kDareLinearSvd,
  kDareTies,  // the same, joined as ties
  kDareTiesSvd,
  kMagnitudePrune,  // prunes each tensor to its largest numbers, sums
  kMagnitudePruneSvd,
  kSubtract,  // GenKnowSub (Bagherifard et al. 2025): one expert's update less the mean of the general ones',
              // s B A - sum_g w_g s_g B_g A_g, exactly, of rank sum of ranks. With Compat::kPeft as PEFT does
              // it: A - sum_g w_g A_g and B - sum_g w_g B_g, whose product holds what neither has
};

// "mean", "mttl_ties", "wudi", "cat", "linear", "svd", "ties", "ties_svd", ..., "subtract"; and back.
// parse_merge_method() throws Error(kInvalidArgument) listing them.
std::string merge_method_name(MergeMethod method);
MergeMethod parse_merge_method(const std::string& text);

// What ties count: the sign of the sum, or of the number of signs.
enum class MajoritySign { kTotal, kFrequency };

struct MergeOptions {
  MergeMethod method = MergeMethod::kMean;
  // One an expert; of kSubtract one a general expert. Empty: 1 for the ties, which average by themselves, 1 /
  // experts for the others.
  std::vector<double> weights = {};
  std::vector<std::string> general = {};  // experts that kSubtract subtracts
  Compat compat = Compat::kNone;          // kSubtract: kNone or kPeft
  double density = 0.2;                   // share of the numbers that is kept
  MajoritySign majority_sign = MajoritySign::kTotal;
  // Of the result, by singular value decomposition. Svd methods: 0 is the largest of the experts'. kSubtract
  // without Compat::kPeft: at most this; 0 is all, which loses nothing.
  std::int64_t rank = 0;
  std::uint64_t seed = 42;  // of the dare methods: module by module by path, A of every expert, then B
};

// The named experts of a library as one, called `name`, with the tasks of all but general ones. Its scale is
// 1 (but for kMttlTies, kWudi and PEFT's subtraction, which keep the experts' common one), its `training`
// says how it was made. kMean reads one expert at a time; the other methods hold all. Throws
// Error(kInvalidArgument): no expert, a number of weights other than of experts, density outside (0, 1], a
// rank above a layer's size, experts of different bases or shapes; of different rank where the method needs
// equal ones (all but cat, svd and subtract); of different scale where the common one is kept; with different
// modules for the first three and PEFT's subtraction; other than one expert and some general ones for
// kSubtract, or `general`, `compat` or `rank` where they mean nothing.
Expert merge_experts(const ExpertLibrary& library, const std::vector<std::string>& experts,
                     const MergeOptions& options, const std::string& name);

// The reference's settings for gates: 50 steps of 4 examples, AdamW at 1e-3 without weight decay, linear
// decay to zero without warm-up, clipping at 1.
TrainingOptions default_gate_options();

}  // namespace quiver
