#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"
#include "tensor/gguf.h"

namespace quiver {

// The settings of a GGUF file's architecture, `llama.block_count` and so on, turned into config.json's. Names
// are without the architecture. Remembers what was asked for, so that check_rest() can tell what was not.
// Holds a reference to the file. Errors name the file and the key.
class GgufSettings {
 public:
  explicit GgufSettings(const GgufFile& file)
      : file_(file), architecture_(file.text("general.architecture")) {}

  const std::string& architecture() const { return architecture_; }
  std::string where() const { return file_.path().string(); }
  std::string key(const std::string& name) const { return architecture_ + "." + name; }
  bool has(const std::string& name) const { return file_.has(key(name)); }

  double number_or(const std::string& name, double fallback);
  std::string text_or(const std::string& name, const std::string& fallback);
  std::vector<std::int32_t> integers(const std::string& name);

  // Copy one value into config() under config.json's name: a size or number that must be there, or one that
  // may be absent.
  std::int64_t require_size(const std::string& name, const char* setting);
  void require_number(const std::string& name, const char* setting);
  void size(const std::string& name, const char* setting);
  void number(const std::string& name, const char* setting);
  // No more than the file has tensors, before anything is made for each.
  void require_layers(const char* setting);

  // Throws Error(kUnsupported) where the value is there and another than `wanted`, which follows from others.
  void must_be(const std::string& name, double wanted);
  [[noreturn]] void refuse(const std::string& name, const std::string& why) const;

  // Looks at every key of the architecture that nobody asked for. Throws Error(kUnsupported) naming one that
  // changes what is computed; warns of unknown ones that should not.
  void check_rest() const;

  Json& config() { return config_; }
  const GgufFile& file() const { return file_; }

 private:
  const GgufFile& file_;
  std::string architecture_;
  Json config_ = Json::object();
  std::set<std::string> asked_for_;
};

}  // namespace quiver
