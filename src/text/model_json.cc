#include "text/byte_pair_model.h"
#include "text/component_json.h"
#include "text/tokenizer_json.h"
#include "text/unigram_model.h"

namespace quiver {
namespace {

[[noreturn]] void refuse_setting(const std::string& where, const std::string& key, const Json& value) {
  throw Error(ErrorKind::kUnsupported, where + ": model setting '" + key +
                                           "' = " + dump_json(value).substr(0, 100) + " is not supported");
}

MergeRule read_merge(const Json& merge, const std::string& where) {
  if (merge.is_string()) return parse_merge(merge.get_ref<const std::string&>(), where);
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  throw Error(ErrorKind::kCorruptFile,
              where + ": merge " + dump_json(merge).substr(0, 200) + " is not two tokens");
}

std::vector<MergeRule> read_merges(const Json& merges, const std::string& where) {
  if (!merges.is_array())
    throw Error(ErrorKind::kCorruptFile, where + ": the model's 'merges' is not a list");
  std::vector<MergeRule> rules;
  rules.reserve(merges.size());
  for (const Json& merge : merges) {
    // Files made from a merges.txt may have kept its first line.
    if (merge.is_string() && merge.get_ref<const std::string&>().starts_with("#version")) continue;
    rules.push_back(read_merge(merge, where));
  }
  return rules;
}

Json::size_type count_of(const Json& section) { return section.is_array() ? section.size() : 0; }

// Old files do not say which model they hold.
std::string model_type(const Json& model, const std::string& where) {
  const std::string implied = section_of(model, "vocab").is_array() ? "Unigram" : "BPE";
  return json_value<std::string>(model, "type", implied, where);
}

Vocabulary read_pair_vocabulary(const Json& model, const std::string& where) {
  const Json& entries = section_of(model, "vocab");
  if (!entries.is_object() || entries.empty()) {
    throw Error(ErrorKind::kCorruptFile, where + ": the model's 'vocab' holds no tokens");
  }
  Vocabulary vocabulary;
  for (const auto& [content, id] : entries.items())
    vocabulary.add(content, read_token_id(id, content, where), where);
  return vocabulary;
}

ModelSection read_byte_pair_model(const Json& model, bool byte_level, const std::string& where) {
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!json_value<std::string>(model, key, "", where).empty()) refuse_setting(where, key, model.at(key));
  }
  if (json_value(model, "dropout", 0.0, where) != 0.0) refuse_setting(where, "dropout", model.at("dropout"));
  BytePairModel::Options options;
  options.units = byte_level ? BytePairModel::Units::kBytes : BytePairModel::Units::kCharacters;
  options.ignore_merges = json_value(model, "ignore_merges", false, where);
  options.fuse_unknown = json_value(model, "fuse_unk", false, where);
  options.byte_fallback = json_value(model, "byte_fallback", false, where);
  // There the units are letters of the byte-level alphabet, whose bytes would be spelled.
  if (options.byte_fallback && byte_level) refuse_setting(where, "byte_fallback", true);
  if (!section_of(model, "unk_token").is_null()) {
    options.unknown_token = json_require<std::string>(model, "unk_token", where);
  }
  Vocabulary vocabulary = read_pair_vocabulary(model, where);
  options.merges = MergeTable::from_rules(read_merges(section_of(model, "merges"), where), vocabulary, where);
  auto result = std::make_unique<const BytePairModel>(vocabulary, std::move(options), where);
  return {std::move(vocabulary), std::move(result)};
}

ModelSection read_unigram_model(const Json& model, const std::string& where) {
  const Json& entries = section_of(model, "vocab");
  if (count_of(entries) == 0) {
    throw Error(ErrorKind::kCorruptFile, where + ": the model's 'vocab' holds no tokens");
  }
  Vocabulary vocabulary;
  UnigramModel::Options options;
  for (const Json& entry : entries) {
    if (count_of(entry) != 2 || !entry[0].is_string() || !entry[1].is_number()) {
      throw Error(ErrorKind::kCorruptFile, where + ": vocabulary entry " + dump_json(entry).substr(0, 200) +
                                               " is not a token and its score");
    }
    options.scores.push_back(entry[1].get<double>());
    vocabulary.add(entry[0].get<std::string>(), vocabulary.size(), where);
  }
  options.byte_fallback = json_value(model, "byte_fallback", false, where);
  const Json& unknown = section_of(model, "unk_id");
  if (unknown.is_null()) refuse_setting(where, "unk_id", unknown);
  const std::int64_t id = read_token_id(unknown, "unk_id", where);
  if (vocabulary.content(id) == nullptr) {
    throw Error(ErrorKind::kCorruptFile, where + ": 'unk_id' " + std::to_string(id) + " is not among the " +
                                             std::to_string(vocabulary.size()) + " tokens");
  }
  options.unknown_id = static_cast<std::int32_t>(id);
  auto result = std::make_unique<const UnigramModel>(vocabulary, std::move(options));
  return {std::move(vocabulary), std::move(result)};
}

}  // namespace

// An id as JSON may hold it: a double or a number above int64 must not be cut to something that looks right.
std::int64_t read_token_id(const Json& value, const std::string& content, const std::string& where) {
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

ModelSection read_model(const Json& model, bool byte_level, const std::string& where) {
  const std::string type = model_type(model, where);
  if (type == "BPE") return read_byte_pair_model(model, byte_level, where);
  if (type == "Unigram") return read_unigram_model(model, where);
  refuse_component(where, "model", type, "BPE, Unigram");
}

}  // namespace quiver
