#include "model/weight_source.h"
#include "quiver/base_model.h"
#include "quiver/error.h"

namespace quiver {

ModuleNames read_module_names(const std::filesystem::path& path) {
  const std::unique_ptr<WeightSource> source = open_weight_source(path);
  ModuleNames names{{}, source->config().decoder};
  const std::vector<std::string> patterns = source->names().linear_layers();
  for (std::int64_t layer = 0; layer < source->config().layers; ++layer) {
    for (const std::string& pattern : patterns) {
      names.paths.push_back(TensorNames::at_layer(pattern, layer));
      // A claimed number of layers must not decide how long this goes on.
      if (source->contains(names.paths.back() + ".weight")) continue;
      throw Error(ErrorKind::kCorruptFile,
                  "'" + path.string() + "' has no tensor '" + names.paths.back() + ".weight'");
    }
  }
  return names;
}

}  // namespace quiver
