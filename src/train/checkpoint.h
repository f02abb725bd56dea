#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <optional>
#include <string>

namespace quiver {

// Everything a run needs to go on after `step` as if it had not stopped. The order of the data and the
// dropout masks follow from the seed and the step.
struct TrainingCheckpoint {
  std::string identity;  // of data and settings
  std::int64_t step = 0;
  std::int64_t tokens = 0;
  double seconds = 0;
  double first_loss = 0;
  at::Tensor parameters, first_moment, second_moment;  // (N) float32
  at::Tensor best_parameters;                          // (N), or empty where there is none yet
  double best_loss = 0;
  std::int64_t best_step = 0;
};

void write_checkpoint(const TrainingCheckpoint& checkpoint, const std::filesystem::path& path);

// Nothing when there is no such file. Throws Error(kCorruptFile).
std::optional<std::string> checkpoint_identity(const std::filesystem::path& path);

// Nothing when there is no such file. Throws Error(kStale) when it belongs to another identity, kCorruptFile.
std::optional<TrainingCheckpoint> read_checkpoint(const std::filesystem::path& path,
                                                  const std::string& identity, std::int64_t parameters);

}  // namespace quiver
