#include "bench_inputs.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <cstdio>

#include "core/files.h"
#include "core/json.h"
#include "quiver/transforms.h"

namespace quiver::program {
namespace {

constexpr char kQueryKeyValue[] = "q_proj|k_proj|v_proj";
constexpr std::int64_t kRank = 4;
constexpr double kAlpha = 16;

bool is_query_key_value(const std::string& path) {
  return path.ends_with(".q_proj") || path.ends_with(".k_proj") || path.ends_with(".v_proj");
}

// Leading zeros, so that sorting by name keeps the numbers' order.
std::string expert_name(std::int64_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "expert_%05d", static_cast<int>(number));
  return name;
}

}  // namespace

void BenchData::add_to(Command& command) {
  command.add_option("--data", path, "Task rows: a .jsonl or .parquet file, or a folder of them")->required();
  command.add_option("--tasks", tasks, "Tasks, comma-separated (default: all)")
      ->delimiter(',')
      ->allow_extra_args(false);
}

TaskDataset BenchData::load(std::int64_t per_task) const {
  TaskDataset data = TaskDataset::load({.path = path, .tasks = tasks, .include_task_source = "*"});
  for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest})
    data.take_first(split, split == Split::kTrain ? per_task : 0);
  return data;
}

double layer_weights(const BaseModel& base) {
  std::int64_t weights = 0;
  for (const LinearSlot& slot : base.slots()) weights += slot.in * slot.out;
  return static_cast<double>(weights);
}

Expert random_expert(const BaseModel& base, std::int64_t number, std::uint64_t seed) {
  const at::Generator generator =
      at::detail::createCPUGenerator(seed * 1000003 + static_cast<std::uint64_t>(number));
  Expert expert;
  expert.info.name = expert_name(number);
  expert.info.base_model = base.name();
  expert.info.base_fingerprint = base.fingerprint();
  expert.info.lora = {.rank = kRank, .alpha = kAlpha, .modify_layers = kQueryKeyValue};
  for (const LinearSlot& slot : base.slots()) {
    if (!is_query_key_value(slot.path)) continue;
    const at::Tensor a = at::rand({kRank, slot.in}, generator, at::kFloat).mul_(2).sub_(1);
    const at::Tensor b = at::randn({slot.out, kRank}, generator, at::kFloat);
    expert.modules[slot.path] = {a / std::sqrt(static_cast<double>(slot.in)), b * 0.02, kAlpha / kRank};
  }
  return expert;
}

void fill_with_random_experts(ExpertLibrary& library, const BaseModel& base, std::int64_t count,
                              std::uint64_t seed) {
  for (std::int64_t number = 0; number < count; ++number) {
    const Expert expert = random_expert(base, number, seed);
    library.add(expert);
    Artefact gates{{{"method", "random"}}, {}, {}};
    for (const auto& [path, weights] : expert.modules) gates.tensors[path] = weights.a[0].clone();
    library.put_artefact(expert.info.name, "phatgoose", gates);
  }
  compute_arrow_prototypes(library, Recompute::kAll);
}

std::vector<RoutedModel> bench_models(ModelArguments arguments, std::shared_ptr<const BaseModel> base,
                                      std::int64_t experts, const GlobalOptions& global) {
  const TemporaryDirectory scratch(std::filesystem::temp_directory_path());
  const bool random = arguments.library.empty();
  if (random) arguments.library = (scratch.path() / "library").string();
  const std::vector<RouterOptions> routers = arguments.router_options();
  if (random) {
    ExpertLibrary library = ExpertLibrary::create(arguments.library);
    fill_with_random_experts(library, *base, experts, global.seed.value_or(42));
  }
  return RoutedModel::compose_all(std::move(base), ExpertLibrary::open(arguments.library), routers);
}

std::string bench_name(const RoutedModel& model) {
  const bool combines = router_info(model.router()).combines;
  return router_name(model.router()) + (combines ? ", " + combine_name(model.router().combine) : "");
}

}  // namespace quiver::program
