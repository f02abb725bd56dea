#include "synthetic_library.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cstdio>

namespace quiver::program {
namespace {

constexpr std::int64_t kLayers = 30;
constexpr std::int64_t kWidth = 576;
constexpr std::int64_t kWindowStep = 211;  // no divisor of a row or column: windows share no alignment
struct Projection {
  const char* name;
  std::int64_t out;
};
constexpr Projection kProjections[] = {{"q_proj", 576}, {"k_proj", 192}, {"v_proj", 192}};

std::int64_t weights_per_expert(std::int64_t rank) {
  std::int64_t weights = 0;
  for (const Projection& projection : kProjections) weights += rank * (kWidth + projection.out);
  return kLayers * weights;
}

// The expert whose weights are `flat` (n), in the order of layers, projections, A before B.
Expert expert_of(const at::Tensor& flat, std::int64_t index, std::int64_t group, std::int64_t rank) {
  char name[32];
  std::snprintf(name, sizeof name, "expert_%05lld", static_cast<long long>(index));
  Expert expert;
  expert.info.name = name;
  expert.info.tasks = {std::string(name) + "_task"};
  expert.info.base_model = "synthetic";
  expert.info.lora = {.rank = rank,
                      .alpha = 4.0 * static_cast<double>(rank),
                      .modify_modules = ".*self_attn",
                      .modify_layers = "q_proj|k_proj|v_proj",
                      .init_b_random = true};
  expert.info.training = {{"group", group}};
  std::int64_t start = 0;
  const auto take = [&](std::int64_t rows, std::int64_t columns) {
    const at::Tensor part = flat.narrow(0, start, rows * columns).view({rows, columns});
    start += rows * columns;
    return part;
  };
  for (std::int64_t layer = 0; layer < kLayers; ++layer) {
    for (const auto& [projection, out] : kProjections) {
      const at::Tensor a = take(rank, kWidth);
      expert.modules["model.layers." + std::to_string(layer) + ".self_attn." + projection] = {
          a, take(out, rank), 4.0};
    }
  }
  return expert;
}

}  // namespace

void add_synthetic_experts(ExpertLibrary& library, const SyntheticLibraryOptions& options,
                           const std::function<void()>& observer) {
  const std::int64_t weights = weights_per_expert(options.rank);
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(options.seed);
  // Each expert's own part is another window of one row of random numbers: drawing them is the slowest step.
  const at::Tensor own = at::randn({weights + options.experts * kWindowStep}, random, at::kFloat).mul_(0.02);
  for (std::int64_t group = 0; group < options.groups; ++group) {
    const at::Tensor shared = at::randn({weights}, random, at::kFloat).mul_(0.02);
    for (std::int64_t i = group; i < options.experts; i += options.groups) {
      library.add(expert_of(shared + own.narrow(0, i * kWindowStep, weights), i, group, options.rank));
      if (observer) observer();
    }
  }
}

}  // namespace quiver::program
