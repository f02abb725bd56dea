#pragma once

#include <memory>
#include <string>
#include <vector>

#include "commands.h"
#include "model_arguments.h"
#include "quiver/dataset.h"
#include "quiver/library.h"
#include "quiver/routed_model.h"

namespace quiver::program {

// --data and --tasks: the training rows that a benchmark runs on.
struct BenchData {
  std::string path;
  std::vector<std::string> tasks;

  void add_to(Command& command);
  // The first `per_task` rows of each task; nothing of the other splits.
  TaskDataset load(std::int64_t per_task) const;
};

// Weights in the linear layers of the decoder, without embedding and head.
double layer_weights(const BaseModel& base);

// An expert whose speed is that of a trained one: LoRA of rank 4 on q, k and v, A uniform in +-1 / sqrt(in),
// B normal with deviation 0.02. It depends on nothing but the base's shape, the number and the seed.
Expert random_expert(const BaseModel& base, std::int64_t number, std::uint64_t seed);

// Adds `count` of them, their Arrow prototypes, and random vectors as PhatGOOSE gates.
void fill_with_random_experts(ExpertLibrary& library, const BaseModel& base, std::int64_t count,
                              std::uint64_t seed);

// The base, and one model per router over --library, or over `experts` random ones where there is none.
// `arguments.routers` must not be empty.
std::vector<RoutedModel> bench_models(ModelArguments arguments, std::shared_ptr<const BaseModel> base,
                                      std::int64_t experts, const GlobalOptions& global);

// "arrow, parameter": a router as the reports name it.
std::string bench_name(const RoutedModel& model);

}  // namespace quiver::program
