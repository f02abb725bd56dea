#include "train/lora_trainer.h"

#include <ATen/CPUGeneratorImpl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "core/regex.h"
#include "core/strings.h"
#include "expert/tied_parameters.h"
#include "kernels/low_rank.h"
#include "quiver/error.h"
#include "train/stacked_experts.h"

namespace quiver {
namespace {

// Memory that the adapter asks for is touched piece by piece, so that a rank beyond reason would end in the
// system killing the process.
void require_memory(const BaseModel& base, const std::vector<std::int64_t>& slots, std::int64_t rank) {
  constexpr double kCopies = 5;  // weights, their start, gradients, two moments
  double width = 0;
  for (const std::int64_t index : slots) {
    const LinearSlot& slot = base.slots()[static_cast<std::size_t>(index)];
    width += static_cast<double>(slot.in + slot.out);
  }
  const double needed = width * static_cast<double>(rank) * sizeof(float) * kCopies;
  const double present =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (needed <= present) return;
  const auto gib = [](double bytes) {
    return std::to_string(static_cast<std::int64_t>(bytes / (1 << 30))) + " GiB";
  };
  throw Error(ErrorKind::kInvalidArgument,
              "lora_rank " + std::to_string(rank) + " needs " + gib(needed) +
                  " of memory, this machine has " + gib(present),
              "lower lora_rank");
}

// The names that are trained, in their order; those that stand for another are none.
std::vector<std::string> trained_parameters(const std::vector<std::string>& names,
                                            const std::map<std::string, std::string>& sources,
                                            const ParameterChoice& choice) {
  const Regex trainable = Regex::python_fullmatch(choice.trainable, "trainable_param_names");
  const std::optional<Regex> frozen =
      choice.frozen ? std::optional(Regex::python_fullmatch(*choice.frozen, "non_trainable_param_names"))
                    : std::nullopt;
  std::vector<std::string> trained;
  std::size_t matched = 0;  // by `trainable` alone
  for (const std::string& name : names) {
    if (sources.contains(name) || !trainable.matches(name)) continue;
    ++matched;
    if (!(frozen && frozen->matches(name))) trained.push_back(name);
  }
  if (trained.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                matched == 0
                    ? "no adapter parameter matches trainable_param_names '" + choice.trainable + "'"
                    : "non_trainable_param_names '" + *choice.frozen + "' takes out every adapter parameter" +
                          (choice.trainable == ".*"
                               ? ""
                               : " that matches trainable_param_names '" + choice.trainable + "'"),
                "names look like 'model.layers.0.self_attn.q_proj.lora_a'");
  }
  return trained;
}

}  // namespace

std::vector<std::int64_t> match_slots(const BaseModel& base, const LoraConfig& config) {
  const Regex modules = Regex::python_fullmatch(config.modify_modules, "modify_modules");
  const Regex layers = Regex::python_fullmatch(config.modify_layers, "modify_layers");
  std::vector<std::int64_t> matched;
  for (std::size_t i = 0; i < base.slots().size(); ++i) {
    const std::string& path = base.slots()[i].path;
    const std::size_t dot = path.rfind('.');
    const bool fits = config.modify_layers.empty()
                          ? modules.matches(path)
                          : modules.matches(path.substr(0, dot)) && layers.matches(path.substr(dot + 1));
    if (fits) matched.push_back(static_cast<std::int64_t>(i));
  }
  if (matched.empty()) {
    const std::vector<LinearSlot>& slots = base.slots();
    std::vector<std::string> names;
    for (const LinearSlot& slot : slots) {
      if (slot.layer == 0) names.push_back(slot.path);
    }
    throw Error(ErrorKind::kInvalidArgument,
                "no linear layer matches modify_modules '" + config.modify_modules + "' and modify_layers '" +
                    config.modify_layers + "'",
                "the first layer has " + join(names, ", "));
  }
  return matched;
}

// Slots and their start, drawn in the base's order, A before B.
void LoraTrainer::draw_start(std::uint64_t seed, const std::map<std::string, LoraWeights>& initial) {
  const std::vector<std::int64_t> matched = match_slots(base_, config_);
  require_memory(base_, matched, config_.rank);
  at::Generator generator = at::detail::createCPUGenerator(seed);
  for (const std::int64_t index : matched) {
    const LinearSlot& layer = base_.slots()[static_cast<std::size_t>(index)];
    const double bound = 1.0 / std::sqrt(3.0 * static_cast<double>(layer.in));
    Slot slot{index, at::empty({config_.rank, layer.in}).uniform_(-bound, bound, generator),
              at::zeros({layer.out, config_.rank})};
    if (config_.init_b_random) slot.b.uniform_(-bound, bound, generator);
    if (!initial.empty()) {
      slot.a.copy_(initial.at(layer.path).a);
      slot.b.copy_(initial.at(layer.path).b);
    }
    slots_.push_back(std::move(slot));
  }
}

std::map<std::string, at::Tensor*> LoraTrainer::tensors_by_name() {
  std::map<std::string, at::Tensor*> tensors;
  for (Slot& slot : slots_) {
    const std::string& path = base_.slots()[static_cast<std::size_t>(slot.index)].path;
    tensors[path + ".lora_a"] = &slot.a;
    tensors[path + ".lora_b"] = &slot.b;
  }
  return tensors;
}

LoraTrainer::LoraTrainer(const BaseModel& base, const LoraConfig& config, const ParameterChoice& choice,
                         std::uint64_t seed, const std::map<std::string, LoraWeights>& initial)
    : base_(base),
      config_(config),
      by_group_(base.groups().size()),
      dropout_generator_(at::detail::createCPUGenerator(seed)) {
  if (config.rank < 1 || config.dropout < 0 || config.dropout >= 1) {
    throw Error(ErrorKind::kInvalidArgument,
                "lora_rank must be at least 1 and lora_dropout in [0, 1): rank " +
                    std::to_string(config.rank) + ", dropout " + std::to_string(config.dropout));
  }
  draw_start(seed, initial);
  std::vector<std::string> names;  // the base's order
  for (const Slot& slot : slots_) {
    const std::string& path = base.slots()[static_cast<std::size_t>(slot.index)].path;
    names.insert(names.end(), {path + ".lora_a", path + ".lora_b"});
  }
  const std::map<std::string, at::Tensor*> tensors = tensors_by_name();
  const std::map<std::string, std::string> sources =
      choice.tied ? tied_parameters(names, *choice.tied) : std::map<std::string, std::string>();
  for (const auto& [name, source] : sources) {
    if (tensors.at(name)->sizes() == tensors.at(source)->sizes()) continue;
    throw Error(ErrorKind::kInvalidArgument,
                "tie_params '" + *choice.tied + "' ties '" + name + "' to '" + source + "' of another size");
  }
  const std::vector<std::string> trained = trained_parameters(names, sources, choice);
  std::vector<FlatParameters::Entry> entries;
  for (const std::string& name : trained) entries.push_back({name, *tensors.at(name)});
  parameters_ = std::make_unique<FlatParameters>(entries);
  for (std::size_t i = 0; i < trained.size(); ++i) *tensors.at(trained[i]) = parameters_->leaf(i);
  for (const auto& [name, source] : sources) *tensors.at(name) = *tensors.at(source);
  for (const Slot& slot : slots_) {
    by_group_[static_cast<std::size_t>(base.slots()[static_cast<std::size_t>(slot.index)].group)].push_back(
        &slot);
  }
}

void LoraTrainer::begin_step(std::uint64_t seed) { dropout_generator_.set_current_seed(seed); }

// x A^T of every slot side by side, (T, slots r), where each slot sees its own mask, as separate modules
// would.
at::Tensor LoraTrainer::dropped_out_hidden(const std::vector<const Slot*>& slots, const at::Tensor& x) const {
  std::vector<at::Tensor> parts;
  for (const Slot* slot : slots) {
    const double keep = 1.0 - config_.dropout;
    const at::Tensor mask = at::empty_like(x, at::kFloat).bernoulli_(keep, dropout_generator_).div_(keep);
    parts.push_back(at::mm(x * mask, slot->a.t()));
  }
  return at::cat(parts, 1);
}

at::Tensor LoraTrainer::apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const {
  const std::vector<const Slot*>& slots = by_group_[static_cast<std::size_t>(group.index)];
  if (slots.empty()) return y;
  std::vector<at::Tensor> a, b;
  for (const Slot* slot : slots) {
    a.push_back(slot->a);
    b.push_back(spread(slot->b, base_.slots()[static_cast<std::size_t>(slot->index)], group));
  }
  const double scale = config_.alpha / static_cast<double>(config_.rank);
  if (!training_ || config_.dropout == 0) return add_low_rank(std::move(y), x, at::cat(a), at::cat(b), scale);
  return add_product(std::move(y), dropped_out_hidden(slots, x.to(at::kFloat)) * scale, at::cat(b));
}

std::map<std::string, LoraWeights> LoraTrainer::weights() const {
  std::map<std::string, LoraWeights> result;
  for (const Slot& slot : slots_) {
    result[base_.slots()[static_cast<std::size_t>(slot.index)].path] = {
        slot.a.detach().clone(), slot.b.detach().clone(), config_.alpha / static_cast<double>(config_.rank)};
  }
  return result;
}

}  // namespace quiver
