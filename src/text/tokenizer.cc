#include "quiver/tokenizer.h"

#include <limits>

#include "text/tokenizer_parts.h"
#include "text/traced_text.h"

namespace quiver {
namespace {

// Replacing broken bytes or spaces can make a text three times as long, and places are 32 bits.
void check_length(std::size_t bytes) {
  constexpr std::size_t kLimit = std::numeric_limits<std::uint32_t>::max() / 3;
  if (bytes <= kLimit) return;
  throw Error(ErrorKind::kUnsupported,
              "a text of " + std::to_string(bytes) + " bytes is too long to tokenize",
              "split it; the limit is " + std::to_string(kLimit) + " bytes");
}

// Appends the tokens of text without added tokens in it.
void encode_plain(const TokenizerParts& parts, const TracedText& text, Encoding& encoding) {
  std::vector<WordToken> tokens;
  parts.pre_tokenizer.for_each_word(text, [&](const TracedText& source, const Regex::Match& word) {
    parts.model->encode(std::string_view(source.bytes()).substr(word.begin, word.end - word.begin), tokens);
    for (const WordToken& token : tokens) {
      encoding.ids.push_back(token.id);
      encoding.spans.push_back(source.span(word.begin + token.begin, word.begin + token.end));
    }
  });
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const TokenizerParts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

Encoding Tokenizer::encode(std::string_view text) const {
  check_length(text.size());
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
    check_length(normalized.bytes().size());
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
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const std::int32_t id : ids) {
    if (special == SpecialTokens::kSkip && parts_->special_ids.contains(id)) continue;
    // What stood in the text is the rewritten form, perhaps with a space that the token's own text lacks.
    if (const auto found = parts_->rewritten_added.find(id); found != parts_->rewritten_added.end()) {
      tokens.push_back(found->second);
    } else if (const std::string* content = parts_->vocabulary.content(id)) {
      tokens.push_back(*content);
    }
  }
  return parts_->decoder.decode(std::move(tokens));
}

std::optional<std::int32_t> Tokenizer::token_id(std::string_view content) const {
  return parts_->vocabulary.id(content);
}

std::string Tokenizer::token_text(std::int32_t id) const {
  const std::string* content = parts_->vocabulary.content(id);
  return content == nullptr ? "" : *content;
}

const TextFrame& Tokenizer::frame() const { return parts_->frame; }
std::optional<std::int32_t> Tokenizer::bos_id() const { return parts_->bos_id; }
std::optional<std::int32_t> Tokenizer::eos_id() const { return parts_->eos_id; }

std::int32_t Tokenizer::size() const { return parts_->vocabulary.size(); }

}  // namespace quiver
