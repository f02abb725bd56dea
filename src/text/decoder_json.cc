#include "text/component_json.h"
#include "text/tokenizer_json.h"

namespace quiver {
namespace {

// Far above any real one.
constexpr std::uint64_t kMaxStrip = 1000;

std::size_t read_strip_count(const Json& section, const char* key, const std::string& where) {
  const auto count = json_require<std::uint64_t>(section, key, where);
  if (count > kMaxStrip) {
    throw Error(ErrorKind::kCorruptFile, where + ": '" + key + "' of a Strip is " + std::to_string(count));
  }
  return count;
}

DecodeStep read_step(const Json& section, const std::string& where) {
  const std::string type = component_type(section, where);
  if (type == "ByteLevel") return decode_byte_alphabet();
  if (type == "ByteFallback") return decode_byte_tokens();
  if (type == "Fuse") return decode_fused();
  if (type == "Replace") {
    return decode_replaced(read_pattern(section_of(section, "pattern"), where),
                           json_require<std::string>(section, "content", where));
  }
  if (type == "Strip") {
    return decode_stripped(read_character(section, "content", where),
                           read_strip_count(section, "start", where),
                           read_strip_count(section, "stop", where));
  }
  if (type == "Metaspace") {
    const MetaspaceSettings settings = read_metaspace_settings(section, where);
    return decode_metaspace(settings.replacement, settings.prepend_scheme == PrependScheme::kNever
                                                      ? FirstSpace::kKeep
                                                      : FirstSpace::kDrop);
  }
  refuse_component(where, "decoder", type,
                   "ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, Sequence");
}

}  // namespace

Decoder read_decoder(const Json& section, const std::string& where) {
  if (section.is_null()) return Decoder({}, " ");
  std::vector<DecodeStep> steps;
  for (const Json* step : component_steps(section, "decoders", where))
    steps.push_back(read_step(*step, where));
  return Decoder(std::move(steps));
}

}  // namespace quiver
