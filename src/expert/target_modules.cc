#include "expert/target_modules.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "core/log.h"
#include "core/strings.h"

namespace quiver {
namespace {

const Json* find_value(const Json& config, const char* key) {
  const auto found = config.find(key);
  return found == config.end() || found->is_null() ? nullptr : &*found;
}

// A regex for whole module paths.
std::optional<ModulePattern> whole_path_pattern(const std::string& regex, const std::string& key,
                                                const std::string& where) {
  try {
    return ModulePattern("^(?:" + regex + ")");
  } catch (const Error&) {
    log_warning(where + ": '" + key + "' cannot be evaluated; the modules are not checked against it");
    return std::nullopt;
  }
}

bool ends_in(const std::string& module, const std::string& name) {
  return module == name || module.ends_with("." + name);
}

bool is_any(const std::string& module, const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [&](const std::string& name) { return ends_in(module, name); });
}

std::optional<std::int64_t> number_of(const std::string& text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (result.ec != std::errc{} || result.ptr != end || number < 0) return std::nullopt;
  return number;
}

// Whether the path has a number inside after something that matches.
bool numbered_list(const std::string& module, const ModulePattern& list) {
  const std::vector<std::string> parts = split_list(module, '.');
  for (std::size_t i = 1; i + 1 < parts.size(); ++i) {
    if (number_of(parts[i]) && list.matches(join(std::span(parts).first(i), "."))) return true;
  }
  return false;
}

}  // namespace

TargetModules::TargetModules(const Json& config, const std::string& where) {
  if (const Json* targets = find_value(config, "target_modules")) {
    if (!targets->is_string()) {
      names_ = json_value<std::vector<std::string>>(config, "target_modules", {}, where);
    } else if (const auto regex = targets->get<std::string>(); lower_case(regex) != "all-linear") {
      pattern_ = whole_path_pattern(regex, "target_modules", where);
    }
  }
  if (const Json* excluded = find_value(config, "exclude_modules")) {
    if (!excluded->is_string()) {
      excluded_names_ = json_value<std::vector<std::string>>(config, "exclude_modules", {}, where);
    } else if (const auto regex = excluded->get<std::string>(); !regex.empty()) {
      excluded_pattern_ = whole_path_pattern(regex, "exclude_modules", where);
    }
  }
  if (const Json* layers = find_value(config, "layers_to_transform")) {
    if (layers->is_number()) {
      layers_ = {json_value<std::int64_t>(config, "layers_to_transform", 0, where)};
    } else {
      layers_ = json_value<std::vector<std::int64_t>>(config, "layers_to_transform", {}, where);
    }
  }
  if (const Json* lists = find_value(config, "layers_pattern")) {
    if (!lists->is_string()) {
      layer_lists_ = json_value<std::vector<std::string>>(config, "layers_pattern", {}, where);
    } else if (const auto name = lists->get<std::string>(); !name.empty()) {
      layer_lists_ = {name};
    }
    for (const std::string& name : layer_lists_) layer_list_patterns_.emplace_back(name);
    if (layers_.empty() && !layer_lists_.empty())
      log_warning(where + ": 'layers_pattern' is ignored: it needs 'layers_to_transform'");
  }
}

// The first number of the path, after anything or after one of layer_lists_; as PEFT, it neither begins nor
// ends the path.
std::optional<std::int64_t> TargetModules::layer_of(const std::string& module) const {
  const std::vector<std::string> parts = split_list(module, '.');
  const bool any = layer_lists_.empty();
  for (std::size_t i = any ? 2 : 1; i + 1 < parts.size(); ++i) {
    const std::optional<std::int64_t> number = number_of(parts[i]);
    if (!number) continue;
    const std::string before = join(std::span(parts).first(i), ".");
    const auto fits = [&](const ModulePattern& pattern) { return pattern.matches(before); };
    if (any || std::ranges::any_of(layer_list_patterns_, fits)) return number;
  }
  return std::nullopt;
}

bool TargetModules::excludes(const std::string& module) const {
  return is_any(module, excluded_names_) || (excluded_pattern_ && excluded_pattern_->matches(module));
}

bool TargetModules::targets(const std::string& module) const {
  if (excludes(module)) return false;
  if (pattern_) return pattern_->matches(module);
  if (names_.empty() || std::ranges::find(names_, module) != names_.end()) return true;
  if (!is_any(module, names_)) return false;
  if (layers_.empty()) return true;
  const std::optional<std::int64_t> layer = layer_of(module);
  return layer && std::ranges::find(layers_, *layer) != layers_.end();
}

void TargetModules::check(const std::vector<std::string>& modules, const std::string& where) const {
  const auto fail = [&](const std::string& problem) {
    throw Error(ErrorKind::kCorruptFile, where + ": " + problem,
                "adapter_config.json and the weights must be of one adapter");
  };
  for (const std::string& module : modules) {
    if (!targets(module)) fail("'" + module + "' has tensors, but adapter_config.json does not target it");
  }
  // A list may name layers of other models than the adapter's own.
  for (const std::string& name : names_) {
    const bool there =
        std::ranges::any_of(modules, [&](const std::string& module) { return ends_in(module, name); });
    if (!there && !excludes(name))
      log_warning(where + ": adapter_config.json targets '" + name + "', which has no tensors");
  }
  if (names_.empty() || layers_.empty()) return;  // layers_to_transform counts for lists only
  for (std::size_t i = 0; i < layer_lists_.size(); ++i) {
    const auto numbered = [&](const std::string& module) {
      return numbered_list(module, layer_list_patterns_[i]);
    };
    if (std::ranges::none_of(modules, numbered))
      log_warning(where + ": layers_pattern '" + layer_lists_[i] +
                  "' in adapter_config.json matches no module");
  }
  for (const std::int64_t layer : layers_) {
    const bool there =
        std::ranges::any_of(modules, [&](const std::string& module) { return layer_of(module) == layer; });
    if (!there) {
      log_warning(where + ": adapter_config.json targets layer " + std::to_string(layer) +
                  ", which has no tensors");
    }
  }
}

}  // namespace quiver
