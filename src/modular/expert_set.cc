#include "modular/expert_set.h"

#include <algorithm>
#include <set>

#include "core/strings.h"
#include "routing/prototypes.h"

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

void check_tasks(const std::vector<ExpertInfo>& experts) {
  std::map<std::string, std::string> owner;
  for (const ExpertInfo& expert : experts) {
    for (const std::string& task : expert.tasks) {
      const auto [place, added] = owner.emplace(task, expert.name);
      if (!added) {
        throw Error(ErrorKind::kInvalidArgument,
                    "the experts '" + place->second + "' and '" + expert.name +
                        "' were both trained on task '" + task + "'",
                    "keep them in different libraries");
      }
    }
  }
}

std::string method_name(RouterKind kind) { return kind == RouterKind::kArrow ? "arrow" : "phatgoose"; }

std::string artefact_kind(const RouterOptions& router) {
  return method_name(router.kind) + (router.compat == Compat::kPeft ? "_peft" : "");
}

}  // namespace

bool needs_vectors(RouterKind kind) { return kind == RouterKind::kArrow || kind == RouterKind::kPhatgoose; }

std::vector<std::string> ExpertSet::names() const {
  std::vector<std::string> result;
  for (const ExpertInfo& expert : experts) result.push_back(expert.name);
  return result;
}

std::optional<std::size_t> ExpertSet::find_task(const std::string& task) const {
  for (std::size_t i = 0; i < experts.size(); ++i) {
    const std::vector<std::string>& tasks_of = experts[i].tasks;
    if (tasks_of.empty() ? experts[i].name == task : std::count(tasks_of.begin(), tasks_of.end(), task) > 0)
      return i;
  }
  return std::nullopt;
}

std::size_t ExpertSet::index_of(const std::string& expert) const {
  for (std::size_t i = 0; i < experts.size(); ++i) {
    if (experts[i].name == expert) return i;
  }
  throw Error(ErrorKind::kNotFound, "no expert '" + expert + "'", did_you_mean(expert, names()));
}

std::vector<std::string> ExpertSet::tasks() const {
  std::vector<std::string> result;
  for (const ExpertInfo& expert : experts) {
    if (expert.tasks.empty()) result.push_back(expert.name);
    result.insert(result.end(), expert.tasks.begin(), expert.tasks.end());
  }
  return result;
}

std::shared_ptr<const ExpertSet> make_expert_set(const BaseModel& base, std::vector<Expert> experts,
                                                 ExpertScales scales) {
  if (experts.empty()) throw Error(ErrorKind::kInvalidArgument, "the library has no expert");
  std::sort(experts.begin(), experts.end(),
            [](const Expert& left, const Expert& right) { return left.info.name < right.info.name; });
  auto set = std::make_shared<ExpertSet>();
  std::map<std::int64_t, std::vector<const LoraWeights*>> by_slot;
  for (std::size_t e = 0; e < experts.size(); ++e) {
    const Expert& expert = experts[e];
    check_base(expert.info, base.fingerprint(), base.name());
    set->experts.push_back(expert.info);
    for (const auto& [path, weights] : expert.modules) {
      const std::int64_t slot = slot_index(base, path, expert.info.name);
      check_shape(weights, base.slots()[static_cast<std::size_t>(slot)], expert.info.name);
      std::vector<const LoraWeights*>& row = by_slot[slot];
      row.resize(experts.size(), nullptr);
      row[e] = &weights;
    }
  }
  check_tasks(set->experts);
  const auto device = base.device();
  for (const auto& [slot, weights] : by_slot) {
    const LinearSlot& layer = base.slots()[static_cast<std::size_t>(slot)];
    std::int64_t rank = 0;
    for (const LoraWeights* lora : weights) rank = std::max(rank, lora == nullptr ? 0 : lora->a.size(0));
    const auto count = static_cast<std::int64_t>(experts.size());
    SlotExperts stacked{at::zeros({count, rank, layer.in}), at::zeros({count, rank, layer.out})};
    const LoraWeights* first = nullptr;  // whose scale counts
    for (std::int64_t e = 0; e < count; ++e) {
      const LoraWeights* lora = weights[static_cast<std::size_t>(e)];
      if (lora == nullptr) continue;
      stacked.a[e].slice(0, 0, lora->a.size(0)).copy_(lora->a);
      if (first == nullptr || scales == ExpertScales::kOwn) first = lora;
      stacked.b[e].slice(0, 0, lora->a.size(0)).copy_(lora->b.t() * first->scale);
    }
    set->slots[slot] = {stacked.a.to(device), stacked.b.to(device)};
  }
  return set;
}

std::vector<ExpertWithArtefacts> load_experts(const ExpertLibrary& library,
                                              std::span<const RouterOptions> routers) {
  std::set<std::string> names, kinds;
  bool all = false;
  for (const RouterOptions& router : routers) {
    if (router.kind == RouterKind::kBase) continue;
    if (needs_vectors(router.kind)) kinds.insert(artefact_kind(router));
    // mttl takes the scale of the first expert for all.
    if (router.kind == RouterKind::kSingleExpert && router.compat != Compat::kMttl) {
      if (!library.contains(router.expert)) validate(router, library.names());
      names.insert(router.expert);
    } else {
      all = true;
    }
  }
  if (all) {
    const std::vector<std::string> present = library.names();
    names = {present.begin(), present.end()};
    if (names.empty()) {
      throw Error(ErrorKind::kInvalidArgument, "library " + library.uri() + " has no expert",
                  "train one with `quiver train`, or import one with `quiver library import`");
    }
  }
  const std::vector<std::string> wanted(kinds.begin(), kinds.end());
  std::vector<ExpertWithArtefacts> loaded;
  for (const std::string& name : names) loaded.push_back(library.load_with_artefacts(name, wanted));
  return loaded;
}

std::map<std::int64_t, at::Tensor> make_routing_vectors(const BaseModel& base, const ExpertSet& experts,
                                                        std::span<const ExpertWithArtefacts> loaded,
                                                        const RouterOptions& router, const std::string& uri) {
  const bool from_peft = router.compat == Compat::kPeft;
  const std::string kind = artefact_kind(router);
  const std::string command =
      "`quiver prototypes " + method_name(router.kind) + " " + uri + (from_peft ? " --compat peft`" : "`");
  std::map<std::string, const Artefact*> by_expert;
  for (const ExpertWithArtefacts& one : loaded) {
    const auto found = one.artefacts.find(kind);
    if (found != one.artefacts.end()) by_expert[one.expert.info.name] = &found->second;
  }
  std::vector<const Artefact*> artefacts;
  for (const ExpertInfo& expert : experts.experts) {
    const auto found = by_expert.find(expert.name);
    if (found == by_expert.end()) {
      throw Error(ErrorKind::kNotFound,
                  "expert '" + expert.name + "' has no " + kind + " prototypes in " + uri,
                  "compute them with " + command);
    }
    artefacts.push_back(found->second);
  }
  std::map<std::int64_t, at::Tensor> vectors;
  for (const auto& [slot, stacked] : experts.slots) {
    const LinearSlot& layer = base.slots()[static_cast<std::size_t>(slot)];
    std::vector<at::Tensor> rows;
    for (std::size_t e = 0; e < artefacts.size(); ++e) {
      const auto found = artefacts[e]->tensors.find(layer.path);
      if (found == artefacts[e]->tensors.end() || found->second.sizes() != at::IntArrayRef{layer.in}) {
        throw Error(ErrorKind::kInvalidArgument,
                    "expert '" + experts.experts[e].name + "' has no " + kind + " prototype of width " +
                        std::to_string(layer.in) + " for '" + layer.path + "'",
                    "all experts of a routed model must adapt the same layers; recompute with " + command +
                        " and --recompute");
      }
      rows.push_back(found->second);
    }
    vectors[slot] = at::stack(rows);
    check_prototypes(vectors[slot], experts.names(), layer.path);
    vectors[slot] = vectors[slot].to(stacked.a.device());
  }
  return vectors;
}

}  // namespace quiver
