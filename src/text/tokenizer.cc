#include "quiver/tokenizer.h"

#include <algorithm>
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

bool overlaps(std::span<const TextSpan> ascending, TextSpan span) {
  const auto first =
      std::ranges::partition_point(ascending, [&](const TextSpan& other) { return other.end <= span.begin; });
  return first != ascending.end() && first->begin < span.end;
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

// Calls on_added(source, begin, end, id) and on_plain(source, begin, end) for the parts of a text in their
// order.
template <typename OnAdded, typename OnPlain>
void for_each_part(const TokenizerParts& parts, std::string_view text, std::span<const TextSpan> plain,
                   OnAdded&& on_added, OnPlain&& on_plain) {
  check_length(text.size());
  const auto split = [&](const AddedTokenMatcher& matcher, const TracedText& source) {
    AddedTokenMatcher::Allows allows;
    if (!plain.empty()) {
      allows = [&](std::size_t begin, std::size_t end) { return !overlaps(plain, source.span(begin, end)); };
    }
    return matcher.split(source.bytes(), allows);
  };
  const TracedText given = TracedText::repaired(text);
  for (const auto& part : split(parts.raw_added, given)) {
    if (part.id) {
      on_added(given, part.begin, part.end, *part.id);
      continue;
    }
    const TracedText normalized = parts.normalizer.normalize(given.slice(part.begin, part.end));
    check_length(normalized.bytes().size());
    for (const auto& inner : split(parts.normalized_added, normalized)) {
      if (inner.id)
        on_added(normalized, inner.begin, inner.end, *inner.id);
      else
        on_plain(normalized, inner.begin, inner.end);
    }
  }
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const TokenizerParts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

Encoding Tokenizer::encode(std::string_view text, std::span<const TextSpan> plain) const {
  Encoding encoding;
  for_each_part(
      *parts_, text, plain,
      [&](const TracedText& source, std::size_t begin, std::size_t end, std::int32_t id) {
        encoding.ids.push_back(id);
        encoding.spans.push_back(source.span(begin, end));
      },
      [&](const TracedText& source, std::size_t begin, std::size_t end) {
        encode_plain(*parts_, source.slice(begin, end), encoding);
      });
  return encoding;
}

Encoding Tokenizer::added_tokens(std::string_view text) const {
  Encoding encoding;
  for_each_part(
      *parts_, text, {},
      [&](const TracedText& source, std::size_t begin, std::size_t end, std::int32_t id) {
        encoding.ids.push_back(id);
        encoding.spans.push_back(source.span(begin, end));
      },
      [](const TracedText&, std::size_t, std::size_t) {});
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

bool Tokenizer::is_special(std::int32_t id) const { return parts_->special_ids.contains(id); }

const std::map<std::string, std::string>& Tokenizer::named_tokens() const { return parts_->named_tokens; }

const TextFrame& Tokenizer::frame() const { return parts_->frame; }
std::optional<std::int32_t> Tokenizer::bos_id() const { return parts_->bos_id; }
std::optional<std::int32_t> Tokenizer::eos_id() const { return parts_->eos_id; }

std::int32_t Tokenizer::size() const { return parts_->vocabulary.size(); }

}  // namespace quiver
