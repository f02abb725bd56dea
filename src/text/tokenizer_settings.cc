#include "text/tokenizer_settings.h"

#include <algorithm>
#include <array>
#include <map>

#include "text/component_json.h"
#include "text/tokenizer_class.h"
#include "text/tokenizer_json.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

constexpr std::uint64_t kMaxSettingsBytes = 16u << 20;
constexpr std::array kNamed = {"bos_token", "eos_token", "unk_token", "sep_token",
                               "pad_token", "cls_token", "mask_token"};

// A token as these files name it: its text, or an object with flags. Special in either case.
AddedToken read_named(const Json& value, const std::string& key, const std::string& where) {
  if (value.is_string()) return {.content = value.get<std::string>(), .special = true};
  if (!value.is_object()) {
    throw Error(ErrorKind::kCorruptFile,
                where + ": '" + key + "' is no token: " + dump_json(value).substr(0, 200));
  }
  AddedToken token = read_added_token(value, where);
  token.special = true;
  return token;
}

std::int32_t read_index(const std::string& key, const std::string& where) {
  const Json number = Json::parse(key, nullptr, /*allow_exceptions=*/false);
  return Vocabulary::checked_id(key, read_token_id(number, key, where), where);
}

// Reads one folder's files; what a token is comes from the first file that tells.
class SettingsReader {
 public:
  SettingsReader(const fs::path& folder, const std::vector<AddedToken>& own)
      : config_path_(folder / "tokenizer_config.json"),
        map_path_(folder / "special_tokens_map.json"),
        added_path_(folder / "added_tokens.json"),
        config_(read_settings_file(config_path_)),
        own_(own) {}

  const Json& config() const { return config_; }

  void read(TokenizerSettings& settings) {
    const std::string where = config_path_.string();
    const Json& decoder = section_of(config_, "added_tokens_decoder");
    if (!decoder.is_null()) {
      if (!decoder.is_object())
        throw Error(ErrorKind::kCorruptFile, where + ": 'added_tokens_decoder' is no object");
      for (const auto& [key, entry] : decoder.items()) {
        AddedToken token = read_added_token(entry, where);
        token.id = read_index(key, where);
        by_id_[token.id] = std::move(token);
      }
      read_named_tokens(config_, where);
    } else {
      read_named_tokens(config_, where);
      read_named_tokens(read_settings_file(map_path_), map_path_.string());
    }
    mark_named();
    add(settings, where, by_id_);
    if (decoder.is_null()) add(settings, added_path_.string(), read_added_tokens_file());
    settings.bos_token = content_of("bos_token");
    settings.eos_token = content_of("eos_token");
    for (const char* key : kNamed) {
      if (named_.contains(key)) settings.named_tokens[key] = content_of(key);
    }
    TokenizerSettings::Source named{where, {}};
    for (const char* key : kNamed) add_new(settings, named, key);
    for (const auto& [key, token] : named_) add_new(settings, named, key);
    for (const AddedToken& token : extra_) add_new(settings, named, token);
    settings.added.push_back(std::move(named));
  }

 private:
  void read_named_tokens(const Json& object, const std::string& where) {
    for (const auto& [key, value] : object.items()) {
      const bool is_named = std::ranges::find(kNamed, key) != kNamed.end();
      const bool is_token = is_named || (key.ends_with("_token") && (value.is_string() || value.is_object()));
      if (is_token && !value.is_null()) named_[key] = read_named(value, key, where);
    }
    // The older name counts where the newer one says nothing.
    for (const char* key : {"extra_special_tokens", "additional_special_tokens"}) {
      const Json& list = section_of(object, key);
      if (list.is_null() || list.empty()) continue;
      if (list.is_object()) {
        for (const auto& [name, value] : list.items()) named_[name] = read_named(value, name, where);
      } else {
        extra_.clear();
        for (const Json& value : list) extra_.push_back(read_named(value, key, where));
      }
      break;
    }
  }

  // A token that a name or a list calls special is.
  void mark_named() {
    for (auto& [id, token] : by_id_) token.special = token.special || is_named(token.content);
  }

  bool is_named(const std::string& content) const {
    return std::ranges::any_of(named_, [&](const auto& entry) { return entry.second.content == content; });
  }

  // {"<text>": id}; what tokenizer.json says of a token or an id wins.
  std::map<std::int32_t, AddedToken> read_added_tokens_file() const {
    std::map<std::int32_t, AddedToken> tokens;
    const Json entries = read_settings_file(added_path_);
    for (const auto& [content, value] : entries.items()) {
      const std::int64_t id = read_token_id(value, content, added_path_.string());
      const bool special = is_named(content) || std::ranges::any_of(extra_, [&](const AddedToken& token) {
                             return token.content == content;
                           });
      AddedToken token{.id = Vocabulary::checked_id(content, id, added_path_.string()),
                       .content = content,
                       .special = special,
                       .normalized = !special};
      const bool known = std::ranges::any_of(own_, [&](const AddedToken& own) { return own.id == token.id; });
      if (!known) tokens[token.id] = std::move(token);
    }
    return tokens;
  }

  static void add(TokenizerSettings& settings, const std::string& where,
                  const std::map<std::int32_t, AddedToken>& tokens) {
    TokenizerSettings::Source source{where, {}};
    for (const auto& [id, token] : tokens) source.tokens.push_back(token);
    settings.added.push_back(std::move(source));
  }

  void add_new(TokenizerSettings& settings, TokenizerSettings::Source& named, const std::string& key) const {
    if (const auto found = named_.find(key); found != named_.end()) add_new(settings, named, found->second);
  }

  // A named token that is an added one already keeps its flags.
  void add_new(TokenizerSettings& settings, TokenizerSettings::Source& named, const AddedToken& token) const {
    const auto has = [&](const std::vector<AddedToken>& tokens) {
      return std::ranges::any_of(tokens,
                                 [&](const AddedToken& other) { return other.content == token.content; });
    };
    for (const TokenizerSettings::Source& source : settings.added) {
      if (has(source.tokens)) return;
    }
    if (!has(own_) && !has(named.tokens)) named.tokens.push_back(token);
  }

  std::string content_of(const std::string& key) const {
    const auto found = named_.find(key);
    return found == named_.end() ? "" : found->second.content;
  }

  fs::path config_path_, map_path_, added_path_;
  Json config_;
  const std::vector<AddedToken>& own_;
  std::map<std::int32_t, AddedToken> by_id_;  // added_tokens_decoder
  std::map<std::string, AddedToken> named_;   // "bos_token" and the like
  std::vector<AddedToken> extra_;
};

void set_prefix_space(const TokenizerSettings& settings, Json& step) {
  const bool prefix = *settings.add_prefix_space;
  const Json& type = section_of(step, "type");
  if (type == "Sequence") {
    for (Json& inner : step["pretokenizers"]) set_prefix_space(settings, inner);
  } else if (type == "ByteLevel") {
    step["add_prefix_space"] = prefix;
  } else if (type == "Metaspace") {
    step["add_prefix_space"] = prefix;
    step["prepend_scheme"] = !prefix ? "never" : settings.legacy_prefix ? "always" : "first";
  }
}

}  // namespace

Json read_settings_file(const fs::path& path) {
  if (!fs::exists(path)) return Json::object();
  Json json = read_json_file(path, kMaxSettingsBytes);
  if (!json.is_object()) throw Error(ErrorKind::kCorruptFile, path.string() + ": is not a JSON object");
  return json;
}

TokenizerSettings read_tokenizer_settings(const fs::path& folder, const Json& tokenizer_json,
                                          const std::vector<AddedToken>& own) {
  SettingsReader reader(folder, own);
  TokenizerSettings settings;
  reader.read(settings);
  const std::string where = (folder / "tokenizer_config.json").string();
  const TokenizerClass kind = tokenizer_class(folder, reader.config(), tokenizer_json);
  if (settings.bos_token.empty()) settings.bos_token = kind.bos_token;
  if (!settings.bos_token.empty()) settings.named_tokens["bos_token"] = settings.bos_token;
  if (kind.heeds_prefix_space && !section_of(reader.config(), "add_prefix_space").is_null())
    settings.add_prefix_space = json_value(reader.config(), "add_prefix_space", false, where);
  settings.legacy_prefix = json_value(reader.config(), "legacy", false, where);
  return settings;
}

void apply_prefix_space(const TokenizerSettings& settings, Json& tokenizer_json) {
  if (!settings.add_prefix_space) return;
  if (section_of(tokenizer_json, "pre_tokenizer").is_object())
    set_prefix_space(settings, tokenizer_json["pre_tokenizer"]);
}

}  // namespace quiver
