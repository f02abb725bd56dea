#include "expert/tied_parameters.h"

#include "core/regex.h"
#include "quiver/error.h"

namespace quiver {

std::map<std::string, std::string> tied_parameters(const std::vector<std::string>& names,
                                                   const std::string& tie_params) {
  constexpr char kHint[] = "it should read like 'q_proj.lora_a|k_proj.lora_a|v_proj.lora_a'";
  const Regex pattern = Regex::python_search(tie_params, "tie_params");
  std::map<std::string, std::string> first, sources;  // by what stands before the match; by name
  for (const std::string& name : names) {
    const std::vector<Regex::Match> matches = pattern.find_all(name);
    if (matches.empty()) continue;
    if (matches.front().end != name.size()) {
      throw Error(ErrorKind::kInvalidArgument,
                  "tie_params '" + tie_params + "' matches '" +
                      name.substr(matches.front().begin, matches.front().end - matches.front().begin) +
                      "' inside '" + name + "', not a whole end of it",
                  kHint);
    }
    const auto [source, is_first] = first.emplace(name.substr(0, matches.front().begin), name);
    if (!is_first) sources[name] = source->second;
  }
  if (sources.empty()) {
    throw Error(
        ErrorKind::kInvalidArgument,
        "tie_params '" + tie_params + "' ties no two adapter parameters, such as '" + names.front() + "'",
        kHint);
  }
  return sources;
}

}  // namespace quiver
