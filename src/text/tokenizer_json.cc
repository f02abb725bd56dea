#include "text/tokenizer_json.h"

#include "quiver/tokenizer.h"
#include "text/tokenizer_parts.h"

namespace quiver {
namespace {

// Ten times the largest tokenizer.json known.
constexpr std::uint64_t kMaxFileBytes = 256ull << 20;

[[noreturn]] void refuse_setting(const std::string& where, const std::string& key, const Json& value) {
  throw Error(
      ErrorKind::kUnsupported,
      where + ": model setting '" + key + "' = " + dump_json(value).substr(0, 100) + " is not supported",
      "only byte-level BPE vocabularies can be read");
}

// An id as JSON may hold it: a double or a number above int64 must not be cut to something that looks right.
std::int64_t read_id(const Json& value, const std::string& content, const std::string& where) {
  if (value.is_number_unsigned() &&
      value.get<std::uint64_t>() > static_cast<std::uint64_t>(Vocabulary::kMaxId)) {
    return Vocabulary::kMaxId + 1;
  }
  if (!value.is_number_integer()) {
    throw Error(ErrorKind::kCorruptFile,
                where + ": token '" + content.substr(0, 200) +
                    "' has an id that is no integer: " + dump_json(value).substr(0, 100));
  }
  return value.get<std::int64_t>();
}

MergeRule read_merge(const Json& merge, const std::string& where) {
  if (merge.is_string()) return parse_merge(merge.get_ref<const std::string&>(), where);
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  throw Error(ErrorKind::kCorruptFile,
              where + ": merge " + dump_json(merge).substr(0, 200) + " is not two tokens");
}

void check_model_settings(const Json& model, const std::string& where) {
  const auto type = json_value<std::string>(model, "type", "BPE", where);
  if (type != "BPE") {
    throw Error(ErrorKind::kUnsupported, where + ": model '" + type.substr(0, 100) + "' is not supported",
                "known: BPE");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!json_value<std::string>(model, key, "", where).empty()) refuse_setting(where, key, model.at(key));
  }
  if (json_value(model, "byte_fallback", false, where)) refuse_setting(where, "byte_fallback", true);
  if (json_value(model, "dropout", 0.0, where) != 0.0) refuse_setting(where, "dropout", model.at("dropout"));
}

}  // namespace

Vocabulary read_vocabulary(const Json& model, const std::string& where) {
  check_model_settings(model, where);
  const Json& entries = section_of(model, "vocab");
  if (!entries.is_object() || entries.empty()) {
    throw Error(ErrorKind::kCorruptFile, where + ": the model's 'vocab' holds no tokens");
  }
  Vocabulary vocabulary;
  for (const auto& [content, id] : entries.items())
    vocabulary.add(content, read_id(id, content, where), where);
  return vocabulary;
}

BytePairModel read_model(const Json& model, const Vocabulary& vocabulary, const std::string& where) {
  BytePairModel::Options options;
  options.ignore_merges = json_value(model, "ignore_merges", false, where);
  options.fuse_unknown = json_value(model, "fuse_unk", false, where);
  if (!section_of(model, "unk_token").is_null()) {
    options.unknown_token = json_require<std::string>(model, "unk_token", where);
  }
  const Json& merges = section_of(model, "merges");
  if (!merges.is_array())
    throw Error(ErrorKind::kCorruptFile, where + ": the model's 'merges' is not a list");
  options.merges.reserve(merges.size());
  for (const Json& merge : merges) {
    // Files made from a merges.txt may have kept its first line.
    if (merge.is_string() && merge.get_ref<const std::string&>().starts_with("#version")) continue;
    options.merges.push_back(read_merge(merge, where));
  }
  return BytePairModel(vocabulary, options, where);
}

std::vector<AddedToken> read_added_tokens(const Json& section, Vocabulary& vocabulary,
                                          const std::string& where) {
  std::vector<AddedToken> tokens;
  if (section.is_null()) return tokens;
  if (!section.is_array()) throw Error(ErrorKind::kCorruptFile, where + ": 'added_tokens' is not a list");
  for (const Json& entry : section) {
    AddedToken token;
    token.content = json_require<std::string>(entry, "content", where);
    if (token.content.empty()) continue;
    const std::int64_t id = read_id(section_of(entry, "id"), token.content, where);
    const auto known = vocabulary.id(token.content);
    if (!known) {
      vocabulary.add(token.content, id, where);
    } else if (*known != id) {
      throw Error(ErrorKind::kCorruptFile, where + ": added token '" + token.content.substr(0, 200) +
                                               "' has id " + std::to_string(id) + ", but " +
                                               std::to_string(*known) + " in the vocabulary");
    }
    token.id = static_cast<std::int32_t>(id);
    token.special = json_value(entry, "special", false, where);
    token.normalized = json_value(entry, "normalized", !token.special, where);
    token.single_word = json_value(entry, "single_word", false, where);
    token.lstrip = json_value(entry, "lstrip", false, where);
    token.rstrip = json_value(entry, "rstrip", false, where);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::shared_ptr<const Tokenizer> Tokenizer::from_file(const std::filesystem::path& tokenizer_json) {
  const std::string where = tokenizer_json.string();
  const Json file = read_json_file(tokenizer_json, kMaxFileBytes);
  const Json& model_section = section_of(file, "model");
  if (!model_section.is_object()) {
    throw Error(ErrorKind::kCorruptFile, where + ": 'model' is missing", "is this a tokenizer.json?");
  }
  // The model first: a file for another kind of tokenizer is best refused by its name.
  Vocabulary vocabulary = read_vocabulary(model_section, where);
  Normalizer normalizer = read_normalizer(section_of(file, "normalizer"), where);
  PreTokenizer pre_tokenizer = read_pre_tokenizer(section_of(file, "pre_tokenizer"), where);
  check_decoder(section_of(file, "decoder"), where);
  BytePairModel model = read_model(model_section, vocabulary, where);
  std::vector<AddedToken> added = read_added_tokens(section_of(file, "added_tokens"), vocabulary, where);
  return std::make_shared<const Tokenizer>(std::make_unique<const TokenizerParts>(
      make_tokenizer_parts(std::move(vocabulary), std::move(added), std::move(normalizer),
                           std::move(pre_tokenizer), std::move(model))));
}

}  // namespace quiver
