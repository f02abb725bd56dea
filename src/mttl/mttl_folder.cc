#include "mttl/mttl_folder.h"

#include <algorithm>

#include "expert/module_names.h"
#include "mttl/mttl_artefacts.h"
#include "mttl/mttl_weights.h"
#include "quiver/error.h"
#include "storage/names.h"
#include "tensor/torch_file.h"
#include "tensor/torch_json.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

std::vector<fs::path> files_of(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

// The dict that a checkpoint of a training run has in place of a `.meta` file.
Json training_run_meta(const TorchValue& value, const fs::path& checkpoint) {
  const std::string where = checkpoint.string();
  const TorchValue* stored = value.find("expert_info");
  Json meta = stored == nullptr ? Json::object() : to_json(*stored);
  if (!meta.is_object()) throw Error(ErrorKind::kCorruptFile, where + ": 'expert_info' is no dict");
  const auto fill = [&](const char* key, const Json& fallback) {
    if (json_value(meta, key, Json(), where).is_null()) meta[key] = fallback;
  };
  const TorchValue* settings = value.find("hyper_parameters");
  if (settings != nullptr) fill("training_config", to_json(*settings));
  const Json training = json_value(meta, "training_config", Json::object(), where);
  fill("expert_name", json_value(training, "expert_name", Json(), where));
  fill("expert_task_name", json_value(training, "finetune_task_name", Json(), where));
  fill("expert_name", checkpoint.stem().string());
  return meta;
}

}  // namespace

MttlFolder::MttlFolder(const fs::path& directory, std::vector<std::string>& problems)
    : directory_(directory) {
  for (const fs::path& file : files_of(directory)) {
    const std::string name = file.filename().string();
    if (name.ends_with(".bin")) data_[name.substr(0, name.find('.'))].push_back(file);
    if (!name.ends_with(".meta")) continue;
    try {
      const MttlInfo info = parse_mttl_info(to_json(read_torch_file(file)), file.string());
      if (info.deleted) continue;
      require_valid_name(info.info.name, file.string() + ": expert name");
      if (!infos_.emplace(info.info.name, info).second) {
        throw Error(ErrorKind::kCorruptFile,
                    file.string() + ": there are two experts '" + info.info.name + "'");
      }
    } catch (const Error& error) {
      problems.push_back(error.what());
    }
  }
}

std::vector<std::string> MttlFolder::names() const {
  std::vector<std::string> names;
  for (const auto& [name, info] : infos_) names.push_back(name);
  return names;
}

MttlExpert MttlFolder::read(const std::string& name, std::vector<std::string>& left_out,
                            std::vector<std::string>& problems) {
  const fs::path checkpoint = directory_ / (name + ".ckpt");
  const MttlInfo& info = infos_.at(name);
  MttlExpert result;
  const std::string where = checkpoint.string();
  result.expert =
      with_plain_names({info.info, make_lora_modules(read_torch_tensors(checkpoint), info, where)}, where);
  result.artefacts = read_mttl_artefacts(data_[name], result.expert, left_out, problems);
  return result;
}

Expert read_mttl_checkpoint(const fs::path& checkpoint) {
  const TorchValue value = read_torch_file(checkpoint);
  const std::string where = checkpoint.string();
  const TorchValue* state = value.find("state_dict");
  if (state == nullptr) state = value.find("module");  // DeepSpeed's name for it
  if (state != nullptr) {
    const MttlInfo info = parse_mttl_info(training_run_meta(value, checkpoint), where);
    return with_plain_names({info.info, make_lora_modules(tensors_of(*state, checkpoint), info, where)},
                            where);
  }
  fs::path beside = checkpoint;
  beside.replace_extension(".meta");
  std::error_code ignored;
  if (!fs::exists(beside, ignored)) {
    throw Error(ErrorKind::kNotFound, "'" + beside.string() + "' is not there: without it the scale of '" +
                                          where + "' is not known");
  }
  const MttlInfo info = parse_mttl_info(to_json(read_torch_file(beside)), beside.string());
  return with_plain_names({info.info, make_lora_modules(tensors_of(value, checkpoint), info, where)}, where);
}

}  // namespace quiver
