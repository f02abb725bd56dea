#include "chat/template_files.h"

#include "core/files.h"
#include "core/json.h"
#include "tensor/gguf.h"
#include "text/tokenizer_settings.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

constexpr std::uint64_t kMaxTemplateBytes = 1u << 20;  // the largest known has 30 KB
constexpr char kKey[] = "chat_template";

// A text, or a list of {"name": ..., "template": ...}.
std::map<std::string, std::string> read_setting(const fs::path& path) {
  const Json config = read_settings_file(path);
  const auto value = config.find(kKey);
  if (value == config.end() || value->is_null()) return {};
  if (value->is_string()) return {{"default", value->get<std::string>()}};
  if (!value->is_array())
    throw Error(ErrorKind::kCorruptFile, path.string() + ": 'chat_template' is neither a text nor a list");
  std::map<std::string, std::string> templates;
  for (const Json& entry : *value) {
    templates[json_require<std::string>(entry, "name", path.string())] =
        json_require<std::string>(entry, "template", path.string());
  }
  return templates;
}

// Files count more than the setting, as in transformers.
std::map<std::string, std::string> read_folder(const fs::path& folder) {
  std::map<std::string, std::string> templates;
  if (const fs::path file = folder / "chat_template.jinja"; fs::exists(file))
    templates["default"] = read_template_file(file);
  if (const fs::path named = folder / "additional_chat_templates"; fs::is_directory(named)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(named)) {
      if (entry.path().extension() == ".jinja")
        templates[entry.path().stem().string()] = read_template_file(entry.path());
    }
  }
  return templates.empty() ? read_setting(folder / "tokenizer_config.json") : templates;
}

std::map<std::string, std::string> read_gguf(const fs::path& path) {
  const std::string prefix = std::string("tokenizer.") + kKey;
  const GgufFile file = GgufFile::open(path);
  std::map<std::string, std::string> templates;
  for (const std::string& key : file.keys()) {
    if (key == prefix) templates["default"] = file.text(key);
    if (key.starts_with(prefix + ".")) templates[key.substr(prefix.size() + 1)] = file.text(key);
  }
  return templates;
}

}  // namespace

std::string read_template_file(const fs::path& path) { return read_file(path, kMaxTemplateBytes); }

std::map<std::string, std::string> read_chat_templates(const fs::path& base) {
  return fs::is_directory(base) ? read_folder(base) : read_gguf(base);
}

}  // namespace quiver
