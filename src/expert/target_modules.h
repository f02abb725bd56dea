#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "expert/module_pattern.h"

namespace quiver {

// What an adapter_config.json says about where the adapter sits: target_modules, exclude_modules,
// layers_to_transform and layers_pattern. The tensors alone decide what is run; this finds the file of an
// adapter that lost some, or got some of another. Immutable.
class TargetModules {
 public:
  TargetModules() = default;
  // `where` goes into messages. Throws Error(kCorruptFile) for values of another kind. A regex that
  // ModulePattern cannot evaluate is passed over with a warning: then nothing is checked by it.
  TargetModules(const Json& config, const std::string& where);

  // Throws Error(kCorruptFile) naming a module with tensors that the config does not target; warns of a name,
  // layer or layers_pattern of the config without tensors. `where` goes into messages.
  void check(const std::vector<std::string>& modules, const std::string& where) const;

 private:
  bool targets(const std::string& module) const;
  bool excludes(const std::string& module) const;
  std::optional<std::int64_t> layer_of(const std::string& module) const;

  std::vector<std::string> names_;  // module paths or their last parts; empty: not given as a list
  std::optional<ModulePattern> pattern_;
  std::vector<std::string> excluded_names_;
  std::optional<ModulePattern> excluded_pattern_;
  std::vector<std::int64_t> layers_;  // empty: all
  // What stands before a layer's number, "layers" in "model.layers.3"; empty: anything.
  std::vector<std::string> layer_lists_;
  std::vector<ModulePattern> layer_list_patterns_;
};

}  // namespace quiver
