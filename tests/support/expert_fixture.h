#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "quiver/expert.h"

namespace quiver::test {

// Weights that differ with `seed`: A (rank, in), B (out, rank). No random numbers, so that forked children
// make the same ones.
inline LoraWeights make_weights(std::int64_t rank, std::int64_t in, std::int64_t out, double scale,
                                double seed) {
  const at::Tensor a = at::arange(rank * in, at::kFloat).view({rank, in}).mul(0.01).add(seed);
  const at::Tensor b = at::arange(out * rank, at::kFloat).view({out, rank}).mul(-0.02).sub(seed);
  return {a, b, scale};
}

// q_proj (6 -> 6) and v_proj (6 -> 3) in two layers.
inline Expert make_expert(const std::string& name, double seed = 0.5, std::int64_t rank = 2,
                          double alpha = 8) {
  Expert expert;
  expert.info.name = name;
  expert.info.tasks = {name + "_task", "shared_task"};
  expert.info.base_model = "tiny-llama";
  expert.info.base_fingerprint = "0123456789abcdef0123456789abcdef";
  expert.info.lora = {.rank = rank,
                      .alpha = alpha,
                      .dropout = 0.05,
                      .modify_modules = ".*self_attn",
                      .modify_layers = "q_proj|v_proj",
                      .init_b_random = true};
  expert.info.training = {{"learning_rate", 3e-4}, {"seed", 7}};
  expert.info.metrics = {{"loss", 1.25}};
  for (const int layer : {0, 1}) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".self_attn.";
    const double scale = alpha / static_cast<double>(rank);
    expert.modules[prefix + "q_proj"] = make_weights(rank, 6, 6, scale, seed + layer);
    expert.modules[prefix + "v_proj"] = make_weights(rank, 6, 3, scale, seed + layer + 0.25);
  }
  return expert;
}

}  // namespace quiver::test
