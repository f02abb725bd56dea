#pragma once

#include <cstdint>
#include <functional>

#include "quiver/library.h"

namespace quiver::program {

// Experts for measurements: the shapes of SmolLM2-135M (30 layers; q, k and v projections of 576 inputs and
// 576, 192 and 192 outputs), random weights.
struct SyntheticLibraryOptions {
  std::int64_t experts = 10000;
  std::int64_t groups = 100;  // expert i resembles those of group i % groups: what clustering should find
  std::int64_t rank = 4;
  std::uint64_t seed = 42;
};

// Adds the experts expert_00000, ... to an empty library; `observer` is called after each. About 1.3 MB
// and 10 ms an expert, most of it flushing files.
void add_synthetic_experts(ExpertLibrary& library, const SyntheticLibraryOptions& options,
                           const std::function<void()>& observer = {});

}  // namespace quiver::program
