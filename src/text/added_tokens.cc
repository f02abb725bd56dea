#include "text/added_tokens.h"

#include <algorithm>

#include "quiver/error.h"
#include "text/regex.h"
#include "text/utf8.h"

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
      Regex::from_oniguruma("[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200C\\u200D]", "word character");
  return !pattern.find_all(character).empty();
}

bool is_white_space(std::string_view character) {
  static const Regex pattern = Regex::from_oniguruma("\\s", "white space");
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
    if (!is_white_space(character)) break;
    end -= character.size();
  }
  return std::max(end, limit);
}

std::size_t white_space_end(std::string_view text, std::size_t begin) {
  while (begin < text.size()) {
    const std::string_view character = first_character(text.substr(begin));
    if (!is_white_space(character)) break;
    begin += character.size();
  }
  return begin;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)), nodes_(1) {
  for (std::size_t index = 0; index < tokens_.size(); ++index) {
    const std::string& content = tokens_[index].content;
    if (content.size() > kMaxContentBytes) {
      throw Error(ErrorKind::kUnsupported, "added token '" + content.substr(0, 60) + "...' has " +
                                               std::to_string(content.size()) + " bytes, more than " +
                                               std::to_string(kMaxContentBytes));
    }
    if (content.empty()) continue;
    is_first_byte_[static_cast<unsigned char>(content[0])] = true;
    std::uint32_t node = 0;
    for (const char c : content) {
      const auto [child, added] = nodes_[node].children.emplace(static_cast<unsigned char>(c),
                                                                static_cast<std::uint32_t>(nodes_.size()));
      node = child->second;
      if (added) nodes_.emplace_back();
    }
    if (nodes_[node].token < 0) nodes_[node].token = static_cast<std::int32_t>(index);
  }
}

const AddedToken* AddedTokenMatcher::match_at(std::string_view text, std::size_t at) const {
  if (!is_first_byte_[static_cast<unsigned char>(text[at])]) return nullptr;
  const AddedToken* longest = nullptr;
  std::uint32_t node = 0;
  for (; at < text.size(); ++at) {
    const auto child = nodes_[node].children.find(static_cast<unsigned char>(text[at]));
    if (child == nodes_[node].children.end()) break;
    node = child->second;
    if (nodes_[node].token >= 0) longest = &tokens_[static_cast<std::size_t>(nodes_[node].token)];
  }
  return longest;
}

std::vector<AddedTokenMatcher::Part> AddedTokenMatcher::split(std::string_view text) const {
  std::vector<Part> parts;
  std::size_t done = 0;            // end of the last part
  std::size_t stripped_until = 0;  // end of the white space that an rstrip token took
  for (std::size_t at = 0; at < text.size();) {
    const AddedToken* token = match_at(text, at);
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
