#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/json.h"
#include "core/strings.h"
#include "transforms/mbc.h"
#include "transforms/merge_tensors.h"
#include "transforms/merged_info.h"

namespace quiver {
namespace {

using Pruning = MergeRecipe::Pruning;

struct Method {
  MergeMethod method;
  const char* name;
  MergeRecipe recipe = {};
  bool on_updates = false;  // the Svd methods
};
const std::array kMethods = {
    Method{MergeMethod::kMean, "mean"},
    Method{MergeMethod::kMttlTies, "mttl_ties"},
    Method{MergeMethod::kWudi, "wudi"},
    Method{MergeMethod::kCat, "cat"},
    Method{MergeMethod::kLinear, "linear"},
    Method{MergeMethod::kSvd, "svd", {}, true},
    Method{MergeMethod::kTies, "ties", {Pruning::kMagnitude, true}},
    Method{MergeMethod::kTiesSvd, "ties_svd", {Pruning::kMagnitude, true}, true},
    Method{MergeMethod::kDareLinear, "dare_linear", {Pruning::kRandom, false}},
    Method{MergeMethod::kDareLinearSvd, "dare_linear_svd", {Pruning::kRandom, false}, true},
    Method{MergeMethod::kDareTies, "dare_ties", {Pruning::kRandom, true}},
    Method{MergeMethod::kDareTiesSvd, "dare_ties_svd", {Pruning::kRandom, true}, true},
    Method{MergeMethod::kMagnitudePrune, "magnitude_prune", {Pruning::kMagnitude, false}},
    Method{MergeMethod::kMagnitudePruneSvd, "magnitude_prune_svd", {Pruning::kMagnitude, false}, true},
    Method{MergeMethod::kSubtract, "subtract"},
};

const Method& method_of(MergeMethod method) {
  return *std::find_if(kMethods.begin(), kMethods.end(),
                       [&](const Method& each) { return each.method == method; });
}

[[noreturn]] void refuse(const std::string& what, std::string hint = {}) {
  throw Error(ErrorKind::kInvalidArgument, what, std::move(hint));
}

bool subtracts_as_peft(const MergeOptions& options) {
  return options.method == MergeMethod::kSubtract && options.compat == Compat::kPeft;
}

// Whether the experts' common scale is that of the result.
bool keeps_scale(const MergeOptions& options) {
  return options.method == MergeMethod::kMttlTies || options.method == MergeMethod::kWudi ||
         subtracts_as_peft(options);
}

void check_subtraction(const MergeOptions& options, const std::vector<std::string>& experts) {
  const bool subtracts = options.method == MergeMethod::kSubtract;
  if (!subtracts && !options.general.empty())
    refuse("general experts are given, which " + merge_method_name(options.method) + " does not subtract",
           "the method that does is subtract");
  if (options.compat != Compat::kNone && !subtracts_as_peft(options))
    refuse("there is no compat '" + compat_name(options.compat) + "' of the method " +
               merge_method_name(options.method),
           "subtract has compat peft");
  if (!subtracts) return;
  if (experts.size() != 1)
    refuse("subtract takes one expert, and " + std::to_string(experts.size()) + " are given", "name it");
  if (options.general.empty()) refuse("subtract needs general experts, and none are given");
  if (std::ranges::find(options.general, experts.front()) != options.general.end())
    refuse("expert '" + experts.front() + "' is among the general ones, which are subtracted from it");
  if (options.rank > 0 && options.compat == Compat::kPeft)
    refuse("rank " + std::to_string(options.rank) +
           " is given, but PEFT's subtraction keeps the experts' rank");
}

// The weights to use, one for each of so many experts.
std::vector<double> checked_weights(const MergeOptions& options, std::size_t experts) {
  if (experts == 0) refuse("no expert to merge");
  if (!(options.density > 0 && options.density <= 1))
    refuse("density " + std::to_string(options.density) + " is not in (0, 1]");
  if (options.rank < 0) refuse("rank " + std::to_string(options.rank) + " is negative");
  if (options.weights.empty()) {
    const bool averages = method_of(options.method).recipe.elects_sign;
    return std::vector<double>(experts, averages ? 1 : 1 / static_cast<double>(experts));
  }
  if (options.weights.size() != experts) {
    refuse(std::to_string(options.weights.size()) + " weights for " + std::to_string(experts) + " experts");
  }
  for (const double weight : options.weights) {
    if (!std::isfinite(weight)) refuse("a weight is not finite");
  }
  return options.weights;
}

// One module's factors from all experts that have it.
struct Member {
  std::string expert;
  double weight;
  LoraWeights lora;
};

void check_members(const std::string& path, const std::vector<Member>& members, const MergeOptions& options) {
  const LoraWeights& first = members.front().lora;
  const bool concatenates = options.method == MergeMethod::kCat || options.method == MergeMethod::kSubtract;
  const bool any_rank = method_of(options.method).on_updates || (concatenates && !subtracts_as_peft(options));
  for (const Member& member : members) {
    const LoraWeights& lora = member.lora;
    const std::string both =
        "experts '" + members.front().expert + "' and '" + member.expert + "' differ in ";
    if (lora.a.size(1) != first.a.size(1) || lora.b.size(0) != first.b.size(0))
      refuse(both + "the size of '" + path + "'");
    if (!any_rank && lora.a.size(0) != first.a.size(0)) {
      refuse(both + "the rank of '" + path + "': " + std::to_string(first.a.size(0)) + " and " +
                 std::to_string(lora.a.size(0)),
             subtracts_as_peft(options) ? "subtract without compat peft takes experts of different rank"
                                        : "cat and the svd methods take experts of different rank");
    }
    if (keeps_scale(options) && lora.scale != first.scale)
      refuse(both + "alpha / rank in '" + path + "'",
             subtracts_as_peft(options) ? "subtract without compat peft takes each expert's own"
                                        : "mean and ties take each expert's own");
  }
}

std::int64_t largest_rank(const std::vector<Member>& members) {
  std::int64_t rank = 0;
  for (const Member& member : members) rank = std::max(rank, member.lora.a.size(0));
  return rank;
}

std::vector<std::pair<LoraWeights, double>> weighted(const std::vector<Member>& members) {
  std::vector<std::pair<LoraWeights, double>> result;
  for (const Member& member : members) result.emplace_back(member.lora, member.weight);
  return result;
}

// A and B each for itself.
LoraWeights subtracted_factors(const std::vector<Member>& members) {
  at::Tensor a = at::zeros_like(members.front().lora.a), b = at::zeros_like(members.front().lora.b);
  for (const Member& member : members) {
    a += member.lora.a * member.weight;
    b += member.lora.b * member.weight;
  }
  return {a, b, members.front().lora.scale};
}

LoraWeights merged_factors(const std::vector<Member>& members, const Method& method,
                           const MergeOptions& options, at::Generator& generator) {
  std::vector<at::Tensor> a, b;
  std::vector<double> a_weights, b_weights;
  for (const Member& member : members) {
    const double weight = member.weight * member.lora.scale, root = std::sqrt(std::abs(weight));
    a.push_back(member.lora.a);
    b.push_back(member.lora.b);
    a_weights.push_back(weight < 0 ? -root : root);
    b_weights.push_back(root);
  }
  // In this order, which the random masks of a seed depend on.
  const at::Tensor merged_a = merge_tensors(a, a_weights, method.recipe, options, generator);
  return {merged_a, merge_tensors(b, b_weights, method.recipe, options, generator), 1};
}

LoraWeights merged_updates(const std::string& path, const std::vector<Member>& members, const Method& method,
                           const MergeOptions& options, at::Generator& generator) {
  std::vector<at::Tensor> updates;
  std::vector<double> weights;
  for (const Member& member : members) {
    updates.push_back(at::mm(member.lora.b, member.lora.a) * member.lora.scale);
    weights.push_back(member.weight);
  }
  const at::Tensor update = merge_tensors(updates, weights, method.recipe, options, generator);
  const std::int64_t rank = options.rank > 0 ? options.rank : largest_rank(members);
  if (rank > std::min(update.size(0), update.size(1))) {
    refuse("rank " + std::to_string(rank) + " is above what '" + path + "' (" +
           std::to_string(update.size(0)) + " x " + std::to_string(update.size(1)) + ") can have");
  }
  const auto [u, s, vh] = at::linalg_svd(update.to(at::kDouble), /*full_matrices=*/false);
  const at::Tensor b = u.slice(1, 0, rank) * s.slice(0, 0, rank);
  return {vh.slice(0, 0, rank).to(at::kFloat).contiguous(), b.to(at::kFloat).contiguous(), 1};
}

LoraWeights merged_by_wudi(const std::vector<Member>& members) {
  std::vector<at::Tensor> a, b;
  for (const Member& member : members) {  // as mttl keeps them: (in, r) and (r, out)
    a.push_back(member.lora.a.t().contiguous());
    b.push_back(member.lora.b.t().contiguous());
  }
  return {merge_wudi(a).t().contiguous(), merge_wudi(b).t().contiguous(), members.front().lora.scale};
}

LoraWeights merged_above(const std::vector<Member>& members, const std::vector<double>& thresholds) {
  std::vector<at::Tensor> a, b;
  for (const Member& member : members) {
    a.push_back(member.lora.a);
    b.push_back(member.lora.b);
  }
  return {merge_above_thresholds(a, thresholds), merge_above_thresholds(b, thresholds),
          members.front().lora.scale};
}

// How the expert was made, as it records it.
Json record_of(const MergeOptions& options, const std::vector<std::string>& experts,
               const std::vector<double>& weights) {
  Json record = {{"method", merge_method_name(options.method)}, {"experts", experts}, {"weights", weights}};
  if (options.method == MergeMethod::kSubtract && options.rank > 0) record["rank"] = options.rank;
  if (options.compat != Compat::kNone) record["compat"] = compat_name(options.compat);
  const Method& method = method_of(options.method);
  if (method.recipe.pruning != Pruning::kNone || options.method == MergeMethod::kMttlTies)
    record["density"] = options.density;
  if (method.recipe.pruning == Pruning::kRandom) record["seed"] = options.seed;
  if (method.recipe.elects_sign)
    record["majority_sign"] = options.majority_sign == MajoritySign::kTotal ? "total" : "frequency";
  return record;
}

void check_same_modules(const Expert& first, const Expert& other) {
  const auto same_path = [](const auto& left, const auto& right) { return left.first == right.first; };
  if (first.modules.size() == other.modules.size() &&
      std::equal(first.modules.begin(), first.modules.end(), other.modules.begin(), same_path))
    return;
  refuse("experts '" + first.info.name + "' and '" + other.info.name + "' adapt different modules",
         "PEFT's methods (linear, ties, svd, ...) take what each has");
}

// Reads one expert at a time.
std::map<std::string, LoraWeights> mean_modules(const ExpertLibrary& library,
                                                const std::vector<std::string>& names,
                                                const std::vector<double>& weights, MergedInfo& merged_info) {
  Expert sum;
  for (std::size_t e = 0; e < names.size(); ++e) {
    Expert expert = library.load(names[e]);
    merged_info.add(expert);
    if (e == 0) sum.info.name = expert.info.name;
    if (e > 0) check_same_modules(sum, expert);
    for (auto& [path, lora] : expert.modules) {
      LoraWeights scaled{lora.a * weights[e], lora.b * (weights[e] * lora.scale), 1};
      const auto [place, is_new] = sum.modules.emplace(path, scaled);
      if (is_new) continue;
      check_members(path, {{sum.info.name, 1, place->second}, {names[e], 1, scaled}}, {});
      place->second.a += scaled.a;
      place->second.b += scaled.b;
    }
  }
  return sum.modules;
}

std::map<std::string, LoraWeights> merge_modules(const ExpertLibrary& library,
                                                 const std::vector<std::string>& names,
                                                 const std::vector<double>& weights,
                                                 const MergeOptions& options, MergedInfo& merged_info) {
  const Method& method = method_of(options.method);
  std::map<std::string, std::vector<Member>> members;
  std::vector<double> thresholds;
  std::optional<Expert> first;
  for (std::size_t e = 0; e < names.size(); ++e) {
    const Expert expert = library.load(names[e]);
    if (options.method == MergeMethod::kSubtract && first)
      merged_info.add_without_tasks(expert);
    else
      merged_info.add(expert);
    if (keeps_scale(options) && first) check_same_modules(*first, expert);
    if (!first) first = expert;
    for (const auto& [path, lora] : expert.modules) members[path].push_back({names[e], weights[e], lora});
    if (options.method == MergeMethod::kMttlTies)
      thresholds.push_back(sparsify_threshold(flatten_expert(expert), 1 - options.density));
  }
  at::Generator generator = at::detail::createCPUGenerator(options.seed);
  std::map<std::string, LoraWeights> modules;
  for (const auto& [path, list] : members) {
    check_members(path, list, options);
    if (subtracts_as_peft(options))
      modules[path] = subtracted_factors(list);
    else if (options.method == MergeMethod::kSubtract)
      modules[path] = cut_to_rank(concatenate(weighted(list)), options.rank);
    else if (options.method == MergeMethod::kCat)
      modules[path] = concatenate(weighted(list));
    else if (options.method == MergeMethod::kWudi)
      modules[path] = merged_by_wudi(list);
    else if (options.method == MergeMethod::kMttlTies)
      modules[path] = merged_above(list, thresholds);
    else if (method.on_updates)
      modules[path] = merged_updates(path, list, method, options, generator);
    else
      modules[path] = merged_factors(list, method, options, generator);
  }
  return modules;
}

}  // namespace

std::string merge_method_name(MergeMethod method) { return method_of(method).name; }

MergeMethod parse_merge_method(const std::string& text) {
  std::vector<std::string> names;
  for (const Method& method : kMethods) {
    if (text == method.name) return method.method;
    names.emplace_back(method.name);
  }
  refuse("unknown merge method '" + text + "'; methods are " + join(names, ", "), did_you_mean(text, names));
}

Expert merge_experts(const ExpertLibrary& library, const std::vector<std::string>& experts,
                     const MergeOptions& options, const std::string& name) {
  const at::NoGradGuard no_gradients;
  check_subtraction(options, experts);
  std::vector<std::string> names = experts;
  std::vector<double> weights;
  if (options.method == MergeMethod::kSubtract) {
    weights.push_back(1);
    for (const double weight : checked_weights(options, options.general.size())) weights.push_back(-weight);
    names.insert(names.end(), options.general.begin(), options.general.end());
  } else {
    weights = checked_weights(options, experts.size());
  }
  MergedInfo merged_info;
  Expert merged;
  merged.modules = options.method == MergeMethod::kMean
                       ? mean_modules(library, names, weights, merged_info)
                       : merge_modules(library, names, weights, options, merged_info);
  merged.info = merged_info.finish(name, merged.modules, {{"merge", record_of(options, names, weights)}});
  merged.decoder = merged_info.decoder();
  return merged;
}

}  // namespace quiver
