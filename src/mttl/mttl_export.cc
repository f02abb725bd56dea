#include <ctime>

#include "core/files.h"
#include "core/json.h"
#include "core/strings.h"
#include "expert/module_names.h"
#include "mttl/mttl_weights.h"
#include "quiver/error.h"
#include "quiver/mttl.h"
#include "tensor/torch_file.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[sizeof "2000-01-01 00:00:00"];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &utc);
  return text;
}

// One row of mttl's table: name, base model, data set and task, kind of adapter.
std::string readme_row(const ExpertInfo& info) {
  const Json dataset = info.training.is_object() ? info.training.value("dataset", Json()) : Json();
  const std::string trained_on =
      (dataset.is_string() ? dataset.get<std::string>() : "") + "/" + join(info.tasks, ",");
  return "| " + info.name + " | " + info.base_model + " | " + trained_on + " | lora |\n";
}

fs::path require_free(const fs::path& directory) {
  const fs::path target = check_output_directory(directory);
  if (fs::exists(target) && !fs::is_empty(target)) {
    throw Error(ErrorKind::kAlreadyExists, "'" + target.string() + "' exists and is not empty",
                "name a new folder");
  }
  return target;
}

}  // namespace

void export_mttl(const ExpertLibrary& library, std::span<const std::string> names,
                 const fs::path& directory) {
  const fs::path target = require_free(directory);
  const TemporaryDirectory stage(target.parent_path());
  std::string rows;
  for (const std::string& name : names) {
    const Expert expert = with_full_names(library.load(name));
    const MttlWeights weights = make_mttl_weights(expert);
    write_torch_file(stage.path() / (name + ".meta"), make_mttl_meta(expert, weights.rank, weights.alpha));
    write_torch_file(stage.path() / (name + ".ckpt"), weights.tensors);
    rows += readme_row(expert.info);
  }
  write_file_atomic(
      stage.path() / "README.md",
      "Number of experts present in the library: " + std::to_string(names.size()) +
          "\n\n| Expert Name | Base Model | Trained on | Adapter Type |\n| --- | --- | --- | --- |\n" + rows +
          "Last updated on: " + now_text() + "\n");
  publish_directory(stage.path(), target);
}

}  // namespace quiver
