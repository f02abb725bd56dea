#include "routing/prototypes.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <span>

#include "core/json.h"
#include "core/mutex.h"
#include "quiver/transforms.h"
#include "tensor/jobs.h"
#include "train/loop.h"
#include "train/option_names.h"

namespace quiver {
namespace {

constexpr char kArrow[] = "arrow";
constexpr char kPhatgoose[] = "phatgoose";
// Other writers wait for so many experts at most, some tenths of a second.
constexpr std::size_t kExpertsPerTurn = 64;

// The artefact of an expert where it is there, belongs to the present weights and was made with these
// settings.
bool has_current(const ExpertLibrary& library, const std::string& name, const char* kind,
                 const Json& settings) {
  try {
    const std::optional<Artefact> artefact = library.find_artefact(name, kind);
    return artefact && artefact->settings == settings;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kStale) return false;
    throw;
  }
}

// Arrow's prototype of every module of one expert.
std::map<std::string, at::Tensor> prototypes_of(const Expert& expert) {
  std::vector<at::Tensor> a, b;
  for (const auto& [path, weights] : expert.modules) {
    a.push_back(weights.a);
    b.push_back(weights.b);
  }
  try {
    const std::vector<at::Tensor> prototypes = arrow_prototypes(a, b);
    std::map<std::string, at::Tensor> by_module;
    std::size_t index = 0;
    for (const auto& [path, weights] : expert.modules) by_module[path] = prototypes[index++];
    return by_module;
  } catch (const Error& error) {
    throw Error(error.kind(), "expert '" + expert.info.name + "': " + error.what(), error.hint());
  }
}

// Those of `names` without a current artefact, in their order.
std::vector<std::string> without_current(const ExpertLibrary& library, std::span<const std::string> names,
                                         const char* kind, const Json& settings) {
  std::vector<char> current(names.size());  // not bool: threads write neighbours
  at::parallel_for(0, static_cast<std::int64_t>(names.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) current[i] = has_current(library, names[i], kind, settings);
  });
  std::vector<std::string> absent;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!current[i]) absent.push_back(names[i]);
  }
  return absent;
}

// Makes an artefact of every expert, or of those that have no current one. Returns how many were made.
std::int64_t make_all(ExpertLibrary& library, const char* kind, const Json& settings,
                      const std::function<std::map<std::string, at::Tensor>(const Expert&)>& tensors_of,
                      Recompute recompute, const ExpertObserver& observer) {
  const std::vector<std::string> names = library.names();
  std::int64_t made = 0;
  for (std::size_t start = 0; start < names.size(); start += kExpertsPerTurn) {
    const auto part = std::span(names).subspan(start, std::min(kExpertsPerTurn, names.size() - start));
    const std::vector<std::string> wanted = recompute == Recompute::kAll
                                                ? std::vector<std::string>(part.begin(), part.end())
                                                : without_current(library, part, kind, settings);
    library.make_artefacts(wanted, kind, [&](const Expert& expert) {
      return Artefact{settings, tensors_of(expert)};
    });
    made += static_cast<std::int64_t>(wanted.size());
    for (const std::string& name : part) {
      if (observer) observer(name);
    }
  }
  return made;
}

}  // namespace

std::int64_t compute_arrow_prototypes(ExpertLibrary& library, Recompute recompute,
                                      const ExpertObserver& observer) {
  return make_all(library, kArrow, {{"method", "exact_svd"}}, prototypes_of, recompute, observer);
}

std::int64_t compute_peft_prototypes(ExpertLibrary& library, std::uint64_t seed, Recompute recompute,
                                     const ExpertObserver& observer) {
  const auto prototypes = [seed](const Expert& expert) {
    std::map<std::string, at::Tensor> by_module;
    for (const auto& [path, weights] : expert.modules)
      by_module[path] = power_iteration_prototype(weights.a, weights.b, seed);
    return by_module;
  };
  return make_all(library, "arrow_peft", {{"method", "power_iteration"}, {"seed", seed}}, prototypes,
                  recompute, observer);
}

TrainingOptions default_gate_options() {
  TrainingOptions options;
  options.total_steps = 50;
  options.batch_size = 4;
  options.learning_rate = 1e-3;
  options.weight_decay = 0;
  options.clip_norm = 1;
  options.warmup_steps = 0;
  options.warmup_proportion = 0;
  return options;
}

std::int64_t train_phatgoose_gates(ExpertLibrary& library, const BaseModel& base, const TaskDataset& data,
                                   const TrainingOptions& options, Recompute recompute,
                                   const ExpertObserver& observer, const TrainingObserver& steps) {
  const Json settings = {{"n_steps", options.total_steps},
                         {"learning_rate", options.learning_rate},
                         {"warmup_ratio", options.warmup_proportion},
                         {"batch_size", options.batch_size},
                         {"max_input_length", options.max_input_length},
                         {"truncation_side", option_name(options.truncation_side)},
                         {"seed", options.seed}};
  Mutex callbacks;
  const TrainingObserver tell = [&](const TrainingStep& step) {
    const MutexLock lock(callbacks);
    if (steps) steps(step);
  };
  const std::vector<std::string> names = library.names();
  const std::vector<std::string> wanted =
      recompute == Recompute::kAll ? names : without_current(library, names, kPhatgoose, settings);
  std::vector<double> costs;
  for (const std::string& name : names) {
    if (costs.size() == wanted.size() || wanted[costs.size()] != name) {  // `wanted` has the order of `names`
      if (observer) observer(name);
      continue;
    }
    const std::vector<std::string> tasks = library.info(name).tasks;
    if (tasks.empty()) {
      throw Error(ErrorKind::kInvalidArgument, "expert '" + name +
                                                   "' does not say which tasks it was trained on, so "
                                                   "there is no data to train its gates with");
    }
    costs.push_back(training_cost(data.only(tasks), options));
  }
  run_jobs(costs, {.at_once = default_jobs_at_once()}, [&](std::size_t number) {
    const std::string& name = wanted[number];
    const Expert expert = library.load(name);
    const std::map<std::string, at::Tensor> gates =
        train_gates(base, expert, data.only(expert.info.tasks), options, tell);
    library.put_artefact(name, kPhatgoose, {settings, gates, expert_digest(expert)});
    const MutexLock lock(callbacks);
    if (observer) observer(name);
  });
  return static_cast<std::int64_t>(wanted.size());
}

}  // namespace quiver
