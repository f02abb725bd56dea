#include "routing/routers/arrow_ties.h"

#include <ATen/ATen.h>

#include "expert/tied_parameters.h"
#include "quiver/error.h"

namespace quiver {
namespace {

constexpr char kA[] = ".lora_a", kB[] = ".lora_b";

// The slots of an expert, those that are tied together.
std::vector<std::vector<std::int64_t>> tied_slots(const RouterParts& parts, const BoundExpert& expert,
                                                  const std::string& tie_params) {
  std::vector<std::vector<std::int64_t>> result;
  std::map<std::string, std::string> sources;
  if (tie_params != "none") {
    std::vector<std::string> names;
    for (const auto& [slot, factors] : expert.factors) {
      const std::string& path = parts.base.slots[static_cast<std::size_t>(slot)];
      names.push_back(path + kA);
      names.push_back(path + kB);
    }
    sources = tied_parameters(names, tie_params);
  }
  std::map<std::string, std::size_t> places;  // of the slots whose A is the first
  for (const auto& [name, source] : sources) {
    if (name.ends_with(kA) && source.ends_with(kA)) continue;
    throw Error(ErrorKind::kInvalidArgument,
                "tie_params '" + tie_params + "' ties '" + name + "' to '" + source +
                    "'; for prototypes A's alone can be tied",
                "it should read like 'q_proj.lora_a|k_proj.lora_a|v_proj.lora_a'");
  }
  for (const auto& [slot, factors] : expert.factors) {
    const std::string name = parts.base.slots[static_cast<std::size_t>(slot)] + kA;
    const auto source = sources.find(name);
    const auto [place, is_first] =
        places.emplace(source == sources.end() ? name : source->second, result.size());
    if (is_first) result.emplace_back();
    result[place->second].push_back(slot);
  }
  return result;
}

void require_one_width(const RouterParts& parts, const BoundExpert& expert,
                       const std::vector<std::int64_t>& slots, bool is_sum) {
  const LoraFactors& first = expert.factors.at(slots.front());
  for (const std::int64_t slot : slots) {
    const LoraFactors& own = expert.factors.at(slot);
    const bool fits = own.a.size(1) == first.a.size(1) && (!is_sum || own.b.size(1) == first.b.size(1));
    if (fits) continue;
    throw Error(ErrorKind::kInvalidArgument,
                "'" + parts.base.slots[static_cast<std::size_t>(slots.front())] + "' and '" +
                    parts.base.slots[static_cast<std::size_t>(slot)] +
                    "' cannot be tied for Arrow: their widths differ",
                is_sum ? "tie_op concat needs equal inputs alone" : "tie layers with the same input");
  }
}

}  // namespace

std::vector<TiedUpdate> tied_updates(const RouterParts& parts, std::size_t expert) {
  const BoundExpert& own = parts.experts[expert];
  const bool is_sum = router_setting(parts.options, "tie_op") == "sum";
  std::vector<TiedUpdate> updates;
  for (std::vector<std::int64_t>& slots :
       tied_slots(parts, own, router_setting(parts.options, "tie_params"))) {
    require_one_width(parts, own, slots, is_sum);
    std::vector<at::Tensor> a, b;
    for (const std::int64_t slot : slots) {
      a.push_back(own.factors.at(slot).a);
      b.push_back(own.factors.at(slot).b.t());
    }
    updates.push_back({std::move(slots), at::cat(a), is_sum ? at::cat(b, 1) : at::block_diag(b)});
  }
  return updates;
}

}  // namespace quiver
