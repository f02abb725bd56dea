#include <algorithm>
#include <memory>

#include "core/strings.h"
#include "mttl/mttl_folder.h"
#include "mttl/mttl_model.h"
#include "quiver/error.h"
#include "quiver/mttl.h"
#include "storage/names.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

constexpr char kModelConfig[] = "mttl_config.json";

bool has_suffix(const fs::path& path, const std::string& suffix) {
  return path.filename().string().ends_with(suffix);
}

bool has_metadata(const fs::path& directory) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    if (has_suffix(entry.path(), ".meta")) return true;
  }
  return false;
}

std::unique_ptr<MttlSource> open_source(const fs::path& directory, MttlImport& result) {
  std::error_code ignored;
  if (fs::exists(directory / kModelConfig, ignored)) {
    return std::make_unique<MttlModel>(directory, result.left_out, result.problems);
  }
  if (!fs::is_directory(directory, ignored)) {
    throw Error(ErrorKind::kNotFound, "no such folder: '" + directory.string() + "'");
  }
  return std::make_unique<MttlFolder>(directory, result.problems);
}

void require_free(const ExpertLibrary& library, const std::string& name) {
  if (!library.contains(name)) return;
  throw Error(ErrorKind::kAlreadyExists, "expert '" + name + "' already exists in '" + library.uri() + "'",
              "remove it first, or ask for it to be replaced");
}

// The file or the expert is at fault, not the library it should go to.
bool is_about_source(const Error& error) {
  return error.kind() == ErrorKind::kCorruptFile || error.kind() == ErrorKind::kUnsupported ||
         error.kind() == ErrorKind::kNotFound || error.kind() == ErrorKind::kInvalidArgument;
}

}  // namespace

bool is_mttl(const fs::path& source) {
  std::error_code ignored;
  if (!fs::is_directory(source, ignored)) return has_suffix(source, ".ckpt");
  return fs::exists(source / kModelConfig, ignored) || has_metadata(source);
}

MttlImport import_mttl(const fs::path& source, ExpertLibrary& library, const MttlImportOptions& options) {
  MttlImport result;
  if (has_suffix(source, ".ckpt")) {
    Expert expert = read_mttl_checkpoint(source);
    if (!options.name.empty()) expert.info.name = options.name;
    require_new_name(expert.info.name, "expert name");
    library.add(expert, options.if_exists);
    result.experts.push_back(expert.info.name);
    return result;
  }
  const std::unique_ptr<MttlSource> experts = open_source(source, result);
  std::vector<std::string> names = experts->names();
  if (!options.name.empty()) {
    if (std::ranges::find(names, options.name) == names.end()) {
      throw Error(ErrorKind::kNotFound, "no expert '" + options.name + "' in '" + source.string() + "'",
                  did_you_mean(options.name, names));
    }
    names = {options.name};
  }
  if (names.empty() && result.problems.empty()) {
    throw Error(ErrorKind::kNotFound, "no experts in '" + source.string() + "'");
  }
  if (options.if_exists == IfExists::kRefuse) {
    for (const std::string& name : names) require_free(library, name);
  }
  for (const std::string& name : names) {
    try {
      require_new_name(name, "expert name");
      const MttlExpert found = experts->read(name, result.left_out, result.problems);
      library.add(found.expert, options.if_exists);
      result.experts.push_back(name);
      for (const auto& [kind, artefact] : found.artefacts) {
        library.put_artefact(name, kind, artefact);
        ++result.artefacts;
      }
    } catch (const Error& error) {
      if (!is_about_source(error)) throw;
      result.problems.push_back(error.what());
    }
  }
  return result;
}

}  // namespace quiver
