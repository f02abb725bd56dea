#include "expert/module_names.h"

#include <string_view>

#include "quiver/error.h"

namespace quiver {
namespace {

constexpr char kNestedDecoder[] = "model.language_model";
// The second as transformers before 4.52 has it, the first the same inside mttl's wrapper.
constexpr std::string_view kNestedPrefixes[] = {"model.language_model.model.", "language_model.model.",
                                                "model.language_model."};

}  // namespace

ModuleName split_module_name(const std::string& name) {
  for (const std::string_view prefix : kNestedPrefixes) {
    if (name.starts_with(prefix)) return {"model." + name.substr(prefix.size()), kNestedDecoder};
  }
  return {name, ""};
}

std::string module_name(const std::string& path, const std::string& decoder) {
  return decoder.empty() ? path : decoder + path.substr(path.find('.'));
}

Expert with_full_names(const Expert& expert) {
  if (expert.decoder.empty()) return expert;
  Expert named{expert.info, {}, ""};
  for (const auto& [path, weights] : expert.modules)
    named.modules[module_name(path, expert.decoder)] = weights;
  return named;
}

Expert with_plain_names(const Expert& named, const std::string& where) {
  Expert expert{named.info, {}, named.decoder};
  for (const auto& [name, weights] : named.modules) {
    const ModuleName split = split_module_name(name);
    if (!split.decoder.empty()) expert.decoder = split.decoder;
    if (expert.modules.emplace(split.path, weights).second) continue;
    throw Error(ErrorKind::kCorruptFile, where + ": '" + split.path + "' is there under two names");
  }
  return expert;
}

}  // namespace quiver
