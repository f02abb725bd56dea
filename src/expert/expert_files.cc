#include "expert/expert_files.h"

#include "core/files.h"
#include "core/sha256.h"
#include "expert/adapter_config.h"
#include "expert/adapter_tensors.h"
#include "expert/expert_record.h"
#include "expert/module_names.h"
#include "tensor/safetensors.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

// "a/b/" and "a/b" are the same folder; both end in "b".
fs::path without_trailing_slash(const fs::path& directory) {
  const fs::path path = fs::absolute(directory).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

// The weights of the adapter in a folder.
fs::path require_adapter(const fs::path& directory) {
  if (!path_exists(directory) || !fs::is_directory(directory)) {
    throw Error(ErrorKind::kNotFound,
                path_exists(directory) ? "'" + directory.string() + "' is a file, not an adapter's folder"
                                       : "no such folder: '" + directory.string() + "'",
                "an adapter is a folder with adapter_config.json and adapter_model.safetensors");
  }
  const auto has = [&](const char* file) { return path_exists(directory / file); };
  const bool pickled = !has(kAdapterWeightsFile) && has(kPickledWeightsFile);
  for (const char* file : {kAdapterConfigFile, pickled ? kPickledWeightsFile : kAdapterWeightsFile}) {
    if (has(file)) continue;
    throw Error(ErrorKind::kNotFound, "'" + directory.string() + "' is no adapter: it has no " + file);
  }
  return directory / (pickled ? kPickledWeightsFile : kAdapterWeightsFile);
}

bool has_record(const fs::path& directory) { return path_exists(directory / kExpertRecordFile); }

ExpertInfo info_of(const AdapterConfig& config, const fs::path& directory) {
  if (has_record(directory)) return read_expert_record(directory / kExpertRecordFile).info;
  ExpertInfo info;
  info.name = without_trailing_slash(directory).filename().string();
  info.base_model = config.base_model();
  info.lora = config.lora();
  return info;
}

// Refuses a folder whose content is not an expert's and would be lost.
void require_replaceable(const fs::path& directory) {
  std::error_code ignored;
  if (!fs::exists(directory, ignored)) return;
  const std::string where = directory.string();
  const Error refused(ErrorKind::kAlreadyExists, "'" + where + "' exists and is not an expert",
                      "name a new folder");
  if (!fs::is_directory(directory)) throw refused;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name != kAdapterConfigFile && name != kAdapterWeightsFile && name != kExpertRecordFile) throw refused;
  }
}

}  // namespace

void write_expert_files(const Expert& expert, const fs::path& directory) {
  const Expert named = with_full_names(expert);
  write_safetensors(directory / kAdapterWeightsFile, make_adapter_tensors(named), {{"format", "pt"}});
  write_file_atomic(directory / kAdapterConfigFile, dump_json(make_adapter_config(named), 2) + "\n");
  const ExpertRecord record{expert.info, sha256_file(directory / kAdapterWeightsFile)};
  write_file_atomic(directory / kExpertRecordFile, dump_json(make_expert_record(record), 2) + "\n");
}

ExpertInfo load_expert_info(const fs::path& directory) {
  if (has_record(directory)) return read_expert_record(directory / kExpertRecordFile).info;
  require_adapter(directory);
  return info_of(AdapterConfig::read(directory / kAdapterConfigFile), directory);
}

void check_weights_digest(const fs::path& directory) {
  if (!has_record(directory)) return;
  const std::string expected = read_expert_record(directory / kExpertRecordFile).weights_sha256;
  const fs::path weights = directory / kAdapterWeightsFile;
  if (expected.empty() || sha256_file(weights) == expected) return;
  throw Error(ErrorKind::kCorruptFile,
              "'" + weights.string() + "' is damaged: its SHA-256 is not the one in expert.json",
              "add the expert again");
}

Expert load_expert(const fs::path& directory) {
  const fs::path weights = require_adapter(directory);
  const AdapterConfig config = AdapterConfig::read(directory / kAdapterConfigFile);
  return with_plain_names({info_of(config, directory), read_adapter_tensors(weights, config)},
                          weights.string());
}

void save_expert(const Expert& expert, const fs::path& directory) {
  const fs::path target = check_output_directory(directory);
  require_replaceable(target);
  const TemporaryDirectory stage(target.parent_path());
  write_expert_files(expert, stage.path());
  publish_directory(stage.path(), target);
}

}  // namespace quiver
