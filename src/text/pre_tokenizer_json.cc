#include "text/component_json.h"
#include "text/oniguruma_pattern.h"
#include "text/tokenizer_json.h"

namespace quiver {
namespace {

SplitBehavior read_behavior(const std::string& name, const std::string& where) {
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  refuse_component(where, "Split behavior", name,
                   "Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous");
}

SplitStep read_split(const Json& section, const std::string& where) {
  return {.pattern = read_pattern(section_of(section, "pattern"), where),
          .behavior = read_behavior(json_require<std::string>(section, "behavior", where), where),
          .target = json_value(section, "invert", false, where) ? SplitTarget::kGaps : SplitTarget::kMatches};
}

SplitStep read_digits(const Json& section, const std::string& where) {
  const bool individual = json_value(section, "individual_digits", false, where);
  return {.pattern = oniguruma_regex("\\p{N}", where),
          .behavior = individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous};
}

SplitStep read_white_space_split(const std::string& where) {
  return {.pattern = oniguruma_regex("\\s", where), .behavior = SplitBehavior::kRemoved};
}

void read_byte_level(const Json& section, const std::string& where, PreTokenizer::Options& options) {
  if (json_value(section, "add_prefix_space", true, where)) options.rewrite = with_leading_space;
  if (json_value(section, "use_regex", true, where)) {
    options.words = SplitStep{.pattern = oniguruma_regex(kGpt2Pattern, where)};
  }
}

void read_metaspace(const Json& section, const std::string& where, PreTokenizer::Options& options) {
  const MetaspaceSettings settings = read_metaspace_settings(section, where);
  options.rewrite = [settings](const TracedText& text) {
    return with_metaspaces(settings.replacement, settings.prepend_scheme, text);
  };
  if (json_value(section, "split", true, where)) {
    options.words = SplitStep{.pattern = Regex::literal(settings.replacement),
                              .behavior = SplitBehavior::kMergedWithNext};
  }
}

}  // namespace

PreTokenizerSection read_pre_tokenizer(const Json& section, const std::string& where) {
  PreTokenizer::Options options;
  bool byte_level = false;
  std::string last;  // the type of the step that must be the last
  for (const Json* step : component_steps(section, "pretokenizers", where)) {
    const std::string type = component_type(*step, where);
    if (!last.empty()) {
      refuse_component(where, "pre-tokenizer after " + last, type, last + " as the last step");
    }
    if (type == "ByteLevel") {
      read_byte_level(*step, where, options);
      byte_level = true;
      last = type;
    } else if (type == "Metaspace") {
      read_metaspace(*step, where, options);
      last = type;
    } else if (type == "Split") {
      options.splits.push_back(read_split(*step, where));
    } else if (type == "Digits") {
      options.splits.push_back(read_digits(*step, where));
    } else if (type == "WhitespaceSplit") {
      options.splits.push_back(read_white_space_split(where));
    } else {
      refuse_component(where, "pre-tokenizer", type,
                       "ByteLevel, Metaspace, Split, Digits, WhitespaceSplit, Sequence");
    }
  }
  return {PreTokenizer(std::move(options)), byte_level};
}

}  // namespace quiver
