#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"
#include "expert/module_pattern.h"
#include "expert/target_modules.h"
#include "quiver/expert.h"

namespace quiver {

// What an adapter_config.json of PEFT says about a LoRA adapter that can be run exactly. Immutable.
class AdapterConfig {
 public:
  // Throws Error(kNotFound, kIo), kCorruptFile for a broken file and kUnsupported, naming the key, for an
  // adapter that is more than plain LoRA.
  static AdapterConfig read(const std::filesystem::path& path);

  const std::string& base_model() const { return base_model_; }
  // The config's own rank, alpha and dropout; modules may differ by pattern.
  const LoraConfig& lora() const { return lora_; }

  // Holds the config against the names of the modules that have tensors: throws and warns as
  // TargetModules::check, and warns of keys of rank_pattern and alpha_pattern that match no module, which
  // have no effect. `where` goes into messages.
  void check(const std::vector<std::string>& modules, const std::string& where) const;

  // Of one module, patterns applied.
  std::int64_t rank(const std::string& module_path) const;
  double scale(const std::string& module_path) const;  // alpha / rank, or alpha / sqrt(rank)

 private:
  static AdapterConfig parse(const std::string& text, const std::string& where);
  struct Pattern {
    std::string key;
    ModulePattern modules;
    double value;
  };
  using Patterns = std::vector<Pattern>;  // the first match counts, in the file's order
  static Patterns read_patterns(const nlohmann::ordered_json& config, const std::string& key,
                                const std::string& where);

  std::string base_model_;
  LoraConfig lora_;
  TargetModules targets_;
  bool rank_stabilised_ = false;
  Patterns rank_patterns_;
  Patterns alpha_patterns_;
};

// The adapter_config.json for an expert whose modules have their full names: sorted keys, valid for PEFT
// 0.21. The most frequent rank and alpha are the config's own, the other modules get a pattern each; scales
// are written as alpha / rank.
Json make_adapter_config(const Expert& expert);

}  // namespace quiver
