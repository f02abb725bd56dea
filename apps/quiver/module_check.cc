#include "module_check.h"

#include <algorithm>
#include <filesystem>

#include "core/log.h"
#include "core/strings.h"
#include "model_cache.h"
#include "quiver/base_model.h"
#include "quiver/error.h"

namespace quiver::program {
namespace {

void check_names(const Expert& expert, const ModuleNames& names, const std::string& base) {
  for (const auto& [path, weights] : expert.modules) {
    if (std::ranges::find(names.paths, path) != names.paths.end()) continue;
    throw Error(ErrorKind::kInvalidArgument,
                "expert '" + expert.info.name + "' adapts '" + path + "', which the base model " + base +
                    " does not have",
                did_you_mean(path, names.paths));
  }
}

void apply_names(Expert& expert, const std::string& base) {
  const ModuleNames names = read_module_names(resolve_base(base));
  check_names(expert, names, base);
  expert.decoder = names.decoder;
}

}  // namespace

Expert named_for_base(Expert expert, const std::string& base) {
  if (!base.empty()) {
    apply_names(expert, base);
    return expert;
  }
  const std::string& own = expert.info.base_model;
  std::error_code ignored;
  if (own.empty() || !std::filesystem::exists(own, ignored)) return expert;
  try {
    apply_names(expert, own);
  } catch (const Error& error) {
    log_warning(std::string(error.what()) + "; --base names another");
  }
  return expert;
}

}  // namespace quiver::program
