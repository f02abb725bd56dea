#include "text/byte_pair_model.h"

#include "quiver/error.h"
#include "text/byte_alphabet.h"
#include "text/utf8.h"

namespace quiver {
namespace {

std::array<std::int32_t, 256> ids_of_bytes(const Vocabulary& vocabulary) {
  std::array<std::int32_t, 256> ids;
  for (std::size_t byte = 0; byte < ids.size(); ++byte) {
    std::string content;
    append_utf8(content, byte_alphabet()[byte]);
    ids[byte] = vocabulary.id(content).value_or(-1);
  }
  return ids;
}

// The tokens that are one character.
std::unordered_map<char32_t, std::int32_t> ids_of_characters(const Vocabulary& vocabulary) {
  std::unordered_map<char32_t, std::int32_t> ids;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string* content = vocabulary.content(id);
    if (content == nullptr || content->empty()) continue;
    const Utf8Step step = utf8_step(*content, 0);
    if (step.valid && step.length == content->size()) ids.emplace(step.code_point, id);
  }
  return ids;
}

TextToId ids_of_words(const Vocabulary& vocabulary, BytePairModel::Units units) {
  TextToId ids;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string* content = vocabulary.content(id);
    if (content == nullptr) continue;
    const auto word =
        units == BytePairModel::Units::kBytes ? bytes_of_token(*content) : std::optional(*content);
    if (word) ids.emplace(*word, id);
  }
  return ids;
}

}  // namespace

BytePairModel::BytePairModel(const Vocabulary& vocabulary, Options options, const std::string& where)
    : units_(options.units),
      merges_(std::move(options.merges)),
      byte_ids_(ids_of_bytes(vocabulary)),
      fuse_unknown_(options.fuse_unknown) {
  if (units_ == Units::kCharacters) character_ids_ = ids_of_characters(vocabulary);
  if (options.byte_fallback) byte_tokens_.emplace(vocabulary);
  if (options.ignore_merges) whole_words_ = ids_of_words(vocabulary, units_);
  if (options.unknown_token) {
    const auto id = vocabulary.id(*options.unknown_token);
    if (!id) {
      throw Error(ErrorKind::kCorruptFile, where + ": unk_token '" + options.unknown_token->substr(0, 200) +
                                               "' is not in the vocabulary");
    }
    unknown_id_ = *id;
  }
}

void BytePairModel::encode(std::string_view word, std::vector<WordToken>& tokens) const {
  tokens.clear();
  if (!whole_words_.empty()) {
    if (const auto found = whole_words_.find(word); found != whole_words_.end()) {
      tokens.push_back({found->second, 0, static_cast<std::uint32_t>(word.size())});
      return;
    }
  }
  if (units_ == Units::kBytes) {
    add_bytes(word, tokens);
  } else {
    add_characters(word, tokens);
  }
  merges_.apply(tokens);
}

void BytePairModel::add_unknown(std::uint32_t begin, std::uint32_t end, bool after_unknown,
                                std::vector<WordToken>& symbols) const {
  if (unknown_id_ < 0) return;
  if (after_unknown && fuse_unknown_) {
    symbols.back().end = end;
  } else {
    symbols.push_back({unknown_id_, begin, end});
  }
}

void BytePairModel::add_bytes(std::string_view word, std::vector<WordToken>& symbols) const {
  bool after_unknown = false;
  for (std::uint32_t at = 0; at < word.size(); ++at) {
    const std::int32_t id = byte_ids_[static_cast<unsigned char>(word[at])];
    if (id >= 0) {
      symbols.push_back({id, at, at + 1});
    } else {
      add_unknown(at, at + 1, after_unknown, symbols);
    }
    after_unknown = id < 0;
  }
}

void BytePairModel::add_characters(std::string_view word, std::vector<WordToken>& symbols) const {
  bool after_unknown = false;
  for (std::uint32_t at = 0; at < word.size();) {
    const Utf8Step step = utf8_step(word, at);
    const auto length = static_cast<std::uint32_t>(step.length);
    const auto found = character_ids_.find(step.code_point);
    bool known = true;
    if (found != character_ids_.end()) {
      symbols.push_back({found->second, at, at + length});
    } else if (!byte_tokens_ || !byte_tokens_->spell(word.substr(at, length), at, symbols)) {
      add_unknown(at, at + length, after_unknown, symbols);
      known = false;
    }
    after_unknown = !known;
    at += length;
  }
}

}  // namespace quiver
