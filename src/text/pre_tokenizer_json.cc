#include <algorithm>

#include "text/tokenizer_json.h"

namespace quiver {
namespace {

// A Sequence inside a Sequence is legal; this many never are.
constexpr int kMaxDepth = 8;

std::string type_of(const Json& section, const std::string& where) {
  if (!section.is_object()) return section.is_null() ? "null" : dump_json(section).substr(0, 100);
  return json_require<std::string>(section, "type", where);
}

[[noreturn]] void refuse(const std::string& where, const std::string& what, const std::string& name,
                         const std::string& known) {
  throw Error(ErrorKind::kUnsupported,
              where + ": " + what + " '" + name.substr(0, 100) + "' is not supported", "known: " + known);
}

// The leaves of nested Sequences, in order. `list_key` names a Sequence's list.
void flatten(const Json& section, const std::string& list_key, const std::string& where, int depth,
             std::vector<const Json*>& leaves) {
  if (type_of(section, where) != "Sequence") {
    leaves.push_back(&section);
    return;
  }
  const Json& list = section_of(section, list_key);
  if (!list.is_array() || depth == kMaxDepth) {
    throw Error(
        ErrorKind::kCorruptFile,
        where + ": a Sequence " + (list.is_array() ? "is nested too deep" : "lacks '" + list_key + "'"));
  }
  for (const Json& element : list) flatten(element, list_key, where, depth + 1, leaves);
}

SplitBehavior read_behavior(const std::string& name, const std::string& where) {
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  refuse(where, "Split behavior", name, "Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous");
}

Regex read_pattern(const Json& pattern, const std::string& where) {
  if (pattern.is_object() && pattern.contains("Regex")) {
    return Regex::from_oniguruma(json_require<std::string>(pattern, "Regex", where), where);
  }
  if (pattern.is_object() && pattern.contains("String")) {
    return Regex::literal(json_require<std::string>(pattern, "String", where));
  }
  throw Error(ErrorKind::kCorruptFile, where + ": a Split's pattern is neither Regex nor String: " +
                                           dump_json(pattern).substr(0, 200));
}

SplitStep read_split(const Json& section, const std::string& where) {
  return {.pattern = read_pattern(section_of(section, "pattern"), where),
          .behavior = read_behavior(json_require<std::string>(section, "behavior", where), where),
          .target = json_value(section, "invert", false, where) ? SplitTarget::kGaps : SplitTarget::kMatches};
}

SplitStep read_digits(const Json& section, const std::string& where) {
  const bool individual = json_value(section, "individual_digits", false, where);
  return {.pattern = Regex::from_oniguruma("\\p{N}", where),
          .behavior = individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous};
}

void read_byte_level(const Json& section, const std::string& where, PreTokenizer::Options& options) {
  options.add_prefix_space = json_value(section, "add_prefix_space", true, where);
  if (json_value(section, "use_regex", true, where)) {
    options.byte_level = SplitStep{.pattern = Regex::from_oniguruma(kGpt2Pattern, where)};
  }
}

}  // namespace

const Json& section_of(const Json& object, const std::string& key) {
  static const Json null;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? *found : null;
}

Normalizer read_normalizer(const Json& section, const std::string& where) {
  std::vector<NormalizationForm> forms;
  std::vector<const Json*> steps;
  if (!section.is_null()) flatten(section, "normalizers", where, 0, steps);
  for (const Json* step : steps) {
    const std::string type = type_of(*step, where);
    if (type == "NFC") {
      forms.push_back(NormalizationForm::kNfc);
    } else if (type == "NFD") {
      forms.push_back(NormalizationForm::kNfd);
    } else if (type == "NFKC") {
      forms.push_back(NormalizationForm::kNfkc);
    } else if (type == "NFKD") {
      forms.push_back(NormalizationForm::kNfkd);
    } else {
      refuse(where, "normalizer", type, "NFC, NFD, NFKC, NFKD, Sequence");
    }
  }
  return Normalizer(std::move(forms));
}

PreTokenizer read_pre_tokenizer(const Json& section, const std::string& where) {
  PreTokenizer::Options options;
  std::vector<const Json*> steps;
  flatten(section, "pretokenizers", where, 0, steps);
  bool byte_level = false;
  for (const Json* step : steps) {
    const std::string type = type_of(*step, where);
    if (byte_level) refuse(where, "pre-tokenizer after ByteLevel", type, "ByteLevel as the last step");
    if (type == "ByteLevel") {
      read_byte_level(*step, where, options);
      byte_level = true;
    } else if (type == "Split") {
      options.splits.push_back(read_split(*step, where));
    } else if (type == "Digits") {
      options.splits.push_back(read_digits(*step, where));
    } else {
      refuse(where, "pre-tokenizer", type, "ByteLevel, Split, Digits, Sequence");
    }
  }
  if (!byte_level) refuse(where, "pre-tokenizer", "without ByteLevel", "a ByteLevel step at the end");
  return PreTokenizer(std::move(options));
}

void check_decoder(const Json& section, const std::string& where) {
  const std::string type = type_of(section, where);
  if (type != "ByteLevel") refuse(where, "decoder", type, "ByteLevel");
}

}  // namespace quiver
