#include "text/component_json.h"
#include "text/tokenizer_json.h"
#include "text/utf8.h"

namespace quiver {

std::string read_character(const Json& section, const char* key, const std::string& where) {
  auto text = json_require<std::string>(section, key, where);
  if (text.empty() || utf8_step(text, 0).length != text.size()) {
    throw Error(ErrorKind::kCorruptFile,
                where + ": '" + key + "' is not one character: '" + text.substr(0, 100) + "'");
  }
  return text;
}

MetaspaceSettings read_metaspace_settings(const Json& section, const std::string& where) {
  MetaspaceSettings settings{.replacement = read_character(section, "replacement", where)};
  // Old files have `add_prefix_space` where new ones have `prepend_scheme`; some have both.
  const bool prefix = json_value(section, "add_prefix_space", true, where);
  const auto scheme = json_value<std::string>(section, "prepend_scheme", prefix ? "always" : "never", where);
  if (scheme == "never") {
    settings.prepend_scheme = PrependScheme::kNever;
  } else if (scheme == "first") {
    settings.prepend_scheme = PrependScheme::kFirst;
  } else if (scheme != "always") {
    refuse_component(where, "prepend_scheme", scheme, "first, always, never");
  }
  if (!prefix && scheme != "never") {
    throw Error(ErrorKind::kCorruptFile,
                where + ": a Metaspace has prepend_scheme '" + scheme + "' but add_prefix_space false");
  }
  return settings;
}

}  // namespace quiver
