#include "quiver/tokenizer.h"

#include <limits>

#include "text/tokenizer_parts.h"
#include "text/traced_text.h"

namespace quiver {
namespace {

// Appends the tokens of text without added tokens in it.
void encode_plain(const TokenizerParts& parts, const TracedText& text, Encoding& encoding) {
  std::vector<WordToken> tokens;
  parts.pre_tokenizer.for_each_word(text.bytes(), [&](const Word& word) {
    tokens.clear();
    parts.model.encode(word.bytes, tokens);
    // Places in the word count a prefix space that the text does not have.
    const auto place = [&](std::uint32_t at) {
      return word.begin + at - (word.has_prefix && at > 0 ? 1 : 0);
    };
    for (const WordToken& token : tokens) {
      encoding.ids.push_back(token.id);
      encoding.spans.push_back(text.span(place(token.begin), place(token.end)));
    }
  });
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const TokenizerParts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

Encoding Tokenizer::encode(std::string_view text) const {
  // Replacing broken bytes can make a text three times as long.
  if (text.size() > std::numeric_limits<std::uint32_t>::max() / 3) {
    throw Error(
        ErrorKind::kUnsupported,
        "a text of " + std::to_string(text.size()) + " bytes is too long to tokenize",
        "split it; the limit is " + std::to_string(std::numeric_limits<std::uint32_t>::max() / 3) + " bytes");
  }
  Encoding encoding;
  const auto add_whole = [&](const TracedText& source, const AddedTokenMatcher::Part& part) {
    encoding.ids.push_back(*part.id);
    encoding.spans.push_back(source.span(part.begin, part.end));
  };
  const TracedText given = TracedText::repaired(text);
  for (const auto& part : parts_->raw_added.split(given.bytes())) {
    if (part.id) {
      add_whole(given, part);
      continue;
    }
    const TracedText normalized = parts_->normalizer.normalize(given.slice(part.begin, part.end));
    for (const auto& inner : parts_->normalized_added.split(normalized.bytes())) {
      if (inner.id) {
        add_whole(normalized, inner);
      } else {
        encode_plain(*parts_, normalized.slice(inner.begin, inner.end), encoding);
      }
    }
  }
  return encoding;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, SpecialTokens special) const {
  std::string bytes;
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= size()) continue;
    if (special == SpecialTokens::kSkip && parts_->special_ids.contains(id)) continue;
    bytes += parts_->bytes_of_id[static_cast<std::size_t>(id)];
  }
  return bytes;
}

std::optional<std::int32_t> Tokenizer::token_id(std::string_view content) const {
  return parts_->vocabulary.id(content);
}

std::string Tokenizer::token_text(std::int32_t id) const {
  const std::string* content = parts_->vocabulary.content(id);
  return content == nullptr ? "" : *content;
}

std::int32_t Tokenizer::size() const { return parts_->vocabulary.size(); }

}  // namespace quiver
