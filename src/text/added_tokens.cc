#include "text/added_tokens.h"

#include <algorithm>

#include "core/regex.h"
#include "quiver/error.h"
#include "text/oniguruma_pattern.h"
#include "text/utf8.h"
#include "text/white_space.h"

namespace quiver {
namespace {

std::string_view first_character(std::string_view text) { return text.substr(0, utf8_step(text, 0).length); }

std::string_view last_character(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return text.substr(begin);
}

bool is_word_character(std::string_view character) {
  static const Regex pattern =
      oniguruma_regex("[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200C\\u200D]", "word character");
  return !pattern.find_all(character).empty();
}

// Whether [begin, end) of `text` has no word character right before or after it.
bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin == 0 || !is_word_character(last_character(text.substr(0, begin)))) &&
         (end == text.size() || !is_word_character(first_character(text.substr(end))));
}

std::size_t white_space_begin(std::string_view text, std::size_t end, std::size_t limit) {
  while (end > limit) {
    const std::string_view character = last_character(text.substr(0, end));
    if (!is_white_space(utf8_step(character, 0).code_point)) break;
    end -= character.size();
  }
  return std::max(end, limit);
}

std::size_t white_space_end(std::string_view text, std::size_t begin) {
  while (begin < text.size()) {
    const Utf8Step character = utf8_step(text, begin);
    if (!is_white_space(character.code_point)) break;
    begin += character.length;
  }
  return begin;
}

ByteTrie trie_of(const std::vector<AddedToken>& tokens) {
  std::vector<ByteTrie::Entry> entries;
  for (std::size_t index = 0; index < tokens.size(); ++index) {
    const std::string& content = tokens[index].content;
    if (content.size() > AddedTokenMatcher::kMaxContentBytes) {
      throw Error(ErrorKind::kUnsupported, "added token '" + content.substr(0, 60) + "...' has " +
                                               std::to_string(content.size()) + " bytes, more than " +
                                               std::to_string(AddedTokenMatcher::kMaxContentBytes));
    }
    entries.push_back({content, static_cast<std::int32_t>(index)});
  }
  return ByteTrie(std::move(entries));
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), trie_(trie_of(tokens_)) {
  for (const AddedToken& token : tokens_) {
    if (!token.content.empty()) is_first_byte_[static_cast<unsigned char>(token.content[0])] = true;
  }
}

const AddedToken* AddedTokenMatcher::match_at(std::string_view text, std::size_t at,
                                              const Allows& allows) const {
  if (!is_first_byte_[static_cast<unsigned char>(text[at])]) return nullptr;
  const AddedToken* longest = nullptr;
  trie_.for_each_prefix(text.substr(at), [&](std::size_t length, std::int32_t index) {
    if (!allows || allows(at, at + length)) longest = &tokens_[static_cast<std::size_t>(index)];
  });
  return longest;
}

std::vector<AddedTokenMatcher::Part> AddedTokenMatcher::split(std::string_view text,
                                                              const Allows& allows) const {
  std::vector<Part> parts;
  std::size_t done = 0;            // end of the last part
  std::size_t stripped_until = 0;  // end of the white space that an rstrip token took
  for (std::size_t at = 0; at < text.size();) {
    const AddedToken* token = match_at(text, at, allows);
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t begin = at;
    std::size_t end = at + token->content.size();
    at = end;
    if (token->single_word && !stands_alone(text, begin, end)) continue;
    if (token->lstrip) begin = white_space_begin(text, begin, done);
    if (token->rstrip) {
      end = end <= stripped_until ? stripped_until : white_space_end(text, end);
      stripped_until = end;
    }
    if (done < begin) parts.push_back({done, begin, std::nullopt});
    // A token that lies in white space already taken is still a token, as in the reference.
    parts.push_back({begin, end, token->id});
    done = end;
  }
  if (done < text.size()) parts.push_back({done, text.size(), std::nullopt});
  return parts;
}

}  // namespace quiver
