#pragma once

#include <span>

#include "quiver/training.h"

namespace quiver {

// The words that config files and experts' records have for the choices of a training.
template <typename Choice>
struct OptionName {
  Choice choice;
  const char* name;
};

inline constexpr OptionName<Optimizer> kOptimizerNames[] = {
    {Optimizer::kAdamW, "adamw"}, {Optimizer::kAdam, "adam"}, {Optimizer::kSgd, "sgd"}};
inline constexpr OptionName<Schedule> kScheduleNames[] = {
    {Schedule::kLinearDecay, "linear_decay_with_warmup"},
    {Schedule::kPolynomialDecay, "polynomial_decay_with_warmup"},
    {Schedule::kWarmup, "warmup"},
    {Schedule::kCosine, "cosine_annealing"}};
inline constexpr OptionName<Keep> kKeepNames[] = {{Keep::kLast, "last"}, {Keep::kBest, "best"}};
inline constexpr OptionName<LossMean> kLossMeanNames[] = {{LossMean::kTokenMean, "token_mean"},
                                                          {LossMean::kMicroBatchMean, "mttl"}};
inline constexpr OptionName<TruncationSide> kTruncationSideNames[] = {{TruncationSide::kLeft, "left"},
                                                                      {TruncationSide::kRight, "right"}};

constexpr std::span<const OptionName<Optimizer>> names_of(Optimizer) { return kOptimizerNames; }
constexpr std::span<const OptionName<Schedule>> names_of(Schedule) { return kScheduleNames; }
constexpr std::span<const OptionName<Keep>> names_of(Keep) { return kKeepNames; }
constexpr std::span<const OptionName<LossMean>> names_of(LossMean) { return kLossMeanNames; }
constexpr std::span<const OptionName<TruncationSide>> names_of(TruncationSide) {
  return kTruncationSideNames;
}

template <typename Choice>
constexpr const char* option_name(Choice choice) {
  for (const OptionName<Choice>& one : names_of(choice)) {
    if (one.choice == choice) return one.name;
  }
  return "";
}

}  // namespace quiver
