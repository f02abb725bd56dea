#include "train/checkpoint.h"

#include "core/json.h"
#include "tensor/finite.h"
#include "tensor/safetensors.h"

namespace quiver {

void write_checkpoint(const TrainingCheckpoint& checkpoint, const std::filesystem::path& path) {
  std::map<std::string, at::Tensor> tensors = {{"parameters", checkpoint.parameters},
                                               {"first_moment", checkpoint.first_moment},
                                               {"second_moment", checkpoint.second_moment}};
  if (checkpoint.best_parameters.defined()) tensors["best_parameters"] = checkpoint.best_parameters;
  const Json state = {{"identity", checkpoint.identity},     {"step", checkpoint.step},
                      {"tokens", checkpoint.tokens},         {"seconds", checkpoint.seconds},
                      {"first_loss", checkpoint.first_loss}, {"best_loss", checkpoint.best_loss},
                      {"best_step", checkpoint.best_step}};
  write_safetensors(path, tensors, {{"state", dump_json(state)}});
}

namespace {

Json state_of(const SafetensorsFile& file, const std::string& where) {
  const auto metadata = file.metadata().find("state");
  if (metadata == file.metadata().end())
    throw Error(ErrorKind::kCorruptFile, where + ": not a training checkpoint");
  return parse_json(metadata->second, where);
}

}  // namespace

std::optional<std::string> checkpoint_identity(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  return json_require<std::string>(state_of(SafetensorsFile::open(path), path.string()), "identity",
                                   path.string());
}

std::optional<TrainingCheckpoint> read_checkpoint(const std::filesystem::path& path,
                                                  const std::string& identity, std::int64_t parameters) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const SafetensorsFile file = SafetensorsFile::open(path);
  const std::string where = path.string();
  const Json state = state_of(file, where);
  TrainingCheckpoint checkpoint;
  checkpoint.identity = json_require<std::string>(state, "identity", where);
  if (checkpoint.identity != identity) {
    throw Error(ErrorKind::kStale, where + " is a checkpoint of a run with other settings or data",
                "remove it, or train without --resume");
  }
  checkpoint.step = json_require<std::int64_t>(state, "step", where);
  checkpoint.tokens = json_require<std::int64_t>(state, "tokens", where);
  checkpoint.seconds = json_require<double>(state, "seconds", where);
  checkpoint.first_loss = json_require<double>(state, "first_loss", where);
  checkpoint.best_loss = json_require<double>(state, "best_loss", where);
  checkpoint.best_step = json_require<std::int64_t>(state, "best_step", where);
  const auto read = [&](const char* name, std::int64_t size) {
    const at::Tensor tensor = file.read(name);
    if (tensor.sizes() != at::IntArrayRef{size} || tensor.scalar_type() != at::kFloat) {
      throw Error(ErrorKind::kCorruptFile, where + ": '" + name + "' has another size than the adapter");
    }
    if (!all_finite(tensor)) {
      throw Error(ErrorKind::kCorruptFile, where + ": '" + name + "' holds numbers that are not finite",
                  "the run had diverged, or the file is damaged: remove it and train anew");
    }
    return tensor;
  };
  checkpoint.parameters = read("parameters", parameters);
  const std::int64_t moments = file.shape("first_moment").at(0) == 0 ? 0 : parameters;
  checkpoint.first_moment = read("first_moment", moments);
  checkpoint.second_moment = read("second_moment", moments);
  if (file.contains("best_parameters")) checkpoint.best_parameters = read("best_parameters", parameters);
  return checkpoint;
}

}  // namespace quiver
