#include "train/stacked_experts.h"

#include <algorithm>

#include "core/strings.h"
#include "quiver/error.h"

namespace quiver {
namespace {

[[noreturn]] void throw_unknown_module(const BaseModel& base, const Expert& expert) {
  std::vector<std::string> paths;
  for (const LinearSlot& slot : base.slots()) paths.push_back(slot.path);
  const std::string prefix = "expert '" + expert.info.name + "' adapts ";
  for (const auto& [path, weights] : expert.modules) {
    if (std::ranges::find(paths, path) != paths.end()) continue;
    throw Error(ErrorKind::kInvalidArgument,
                prefix + "'" + path + "', which the base model " + base.name() + " does not have",
                did_you_mean(path, paths));
  }
  throw Error(ErrorKind::kInvalidArgument, prefix + "no module");
}

}  // namespace

at::Tensor add_product(at::Tensor y, const at::Tensor& h, const at::Tensor& b) {
  if (y.scalar_type() == at::kFloat) return y.addmm_(h, b);
  return y + at::mm(h, b).to(y.scalar_type());
}

at::Tensor spread(const at::Tensor& b, const LinearSlot& slot, const LinearGroup& group) {
  const std::int64_t after = group.out - slot.column - slot.out;
  return after == 0 && slot.column == 0 ? b.t() : at::constant_pad_nd(b.t(), {slot.column, after});
}

std::vector<StackedGroup> stack_by_group(const BaseModel& base, std::span<const Expert> experts) {
  std::vector<StackedGroup> groups(base.groups().size());
  std::vector<std::size_t> found(experts.size());
  for (const LinearGroup& group : base.groups()) {
    StackedGroup& own = groups[static_cast<std::size_t>(group.index)];
    std::vector<at::Tensor> a, b;
    std::vector<std::int64_t> ranks;
    for (const std::int64_t index : group.slots) {
      const LinearSlot& slot = base.slots()[static_cast<std::size_t>(index)];
      for (std::size_t e = 0; e < experts.size(); ++e) {
        const auto module = experts[e].modules.find(slot.path);
        if (module == experts[e].modules.end()) continue;
        ++found[e];
        const LoraWeights& lora = module->second;
        if (lora.a.size(1) != slot.in || lora.b.size(0) != slot.out) {
          throw Error(
              ErrorKind::kInvalidArgument,
              "expert '" + experts[e].info.name + "' does not fit '" + slot.path + "' of the base model",
              "the expert was trained on another base model");
        }
        a.push_back(lora.a);
        b.push_back(spread(lora.b, slot, group) * lora.scale);
        ranks.push_back(lora.a.size(0));
        own.modules.push_back({e, index});
      }
    }
    if (a.empty()) continue;
    own.a = at::cat(a);
    own.b = at::cat(b);
    own.ranks = at::tensor(ranks);
  }
  for (std::size_t e = 0; e < experts.size(); ++e) {
    if (found[e] != experts[e].modules.size() || found[e] == 0) throw_unknown_module(base, experts[e]);
  }
  return groups;
}

}  // namespace quiver
