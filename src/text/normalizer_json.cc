#include "text/character_map.h"
#include "text/component_json.h"
#include "text/rewrites.h"
#include "text/tokenizer_json.h"
#include "text/unicode_form.h"

namespace quiver {
namespace {

Rewrite form(NormalizationForm form) {
  return [form](TracedText text) { return in_form(form, std::move(text)); };
}

Rewrite read_prepend(const Json& section, const std::string& where) {
  const auto prefix = json_require<std::string>(section, "prepend", where);
  return [prefix](const TracedText& text) { return with_prefix(prefix, text); };
}

Rewrite read_replace(const Json& section, const std::string& where) {
  const Regex pattern = read_pattern(section_of(section, "pattern"), where);
  const auto content = json_require<std::string>(section, "content", where);
  return [pattern, content](const TracedText& text) { return with_replaced(pattern, content, text); };
}

Rewrite read_strip(const Json& section, const std::string& where) {
  const bool left = json_value(section, "strip_left", true, where);
  const bool right = json_value(section, "strip_right", true, where);
  if (!left && !right) return [](TracedText text) { return text; };
  const StripSides sides = !left ? StripSides::kRight : right ? StripSides::kBoth : StripSides::kLeft;
  return [sides](const TracedText& text) { return stripped(sides, text); };
}

Rewrite read_precompiled(const Json& section, const std::string& where) {
  const auto map =
      CharacterMap::from_base64(json_require<std::string>(section, "precompiled_charsmap", where), where);
  return [map](const TracedText& text) { return map->apply(text); };
}

Rewrite read_rewrite(const Json& section, const std::string& where) {
  const std::string type = component_type(section, where);
  if (type == "NFC") return form(NormalizationForm::kNfc);
  if (type == "NFD") return form(NormalizationForm::kNfd);
  if (type == "NFKC") return form(NormalizationForm::kNfkc);
  if (type == "NFKD") return form(NormalizationForm::kNfkd);
  if (type == "Prepend") return read_prepend(section, where);
  if (type == "Replace") return read_replace(section, where);
  if (type == "Strip") return read_strip(section, where);
  if (type == "Lowercase") return lowercased;
  if (type == "Nmt") return with_nmt_spaces;
  if (type == "Precompiled") return read_precompiled(section, where);
  refuse_component(where, "normalizer", type,
                   "NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip, Lowercase, Nmt, Precompiled, Sequence");
}

}  // namespace

Normalizer read_normalizer(const Json& section, const std::string& where) {
  std::vector<Rewrite> rewrites;
  for (const Json* step : component_steps(section, "normalizers", where))
    rewrites.push_back(read_rewrite(*step, where));
  return Normalizer(std::move(rewrites));
}

}  // namespace quiver
