#include "text/pre_tokenizer.h"

#include <algorithm>

#include "text/rewrites.h"

namespace quiver {
namespace {

struct Part {
  Regex::Match range;
  bool is_separator;
};

// Matches and the gaps between them, in order.
std::vector<Part> parts_of(const SplitStep& step, std::string_view text) {
  const bool match_is_separator = step.target == SplitTarget::kMatches;
  std::vector<Part> parts;
  std::size_t previous = 0;
  for (const Regex::Match& match : step.pattern.find_all(text)) {
    if (previous != match.begin) parts.push_back({{previous, match.begin}, !match_is_separator});
    parts.push_back({match, match_is_separator});
    previous = match.end;
  }
  if (previous != text.size()) parts.push_back({{previous, text.size()}, !match_is_separator});
  return parts;
}

// Joins each part with the one before it wherever `joins(is_separator, previous_is_separator)`; the first
// part has a gap before it.
template <typename Joins>
std::vector<Regex::Match> joined(const std::vector<Part>& parts, Joins&& joins) {
  std::vector<Regex::Match> ranges;
  bool previous = false;
  for (const Part& part : parts) {
    if (!ranges.empty() && joins(part.is_separator, previous)) {
      ranges.back() = {std::min(ranges.back().begin, part.range.begin),
                       std::max(ranges.back().end, part.range.end)};
    } else {
      ranges.push_back(part.range);
    }
    previous = part.is_separator;
  }
  return ranges;
}

std::vector<Regex::Match> arranged(std::vector<Part> parts, SplitBehavior behavior) {
  const auto opens_run = [](bool current, bool previous) { return current && !previous; };
  switch (behavior) {
    case SplitBehavior::kRemoved:
      std::erase_if(parts, [](const Part& part) { return part.is_separator; });
      break;
    case SplitBehavior::kIsolated:
      break;
    case SplitBehavior::kContiguous:
      return joined(parts, [](bool current, bool previous) { return current == previous; });
    case SplitBehavior::kMergedWithPrevious:
      return joined(parts, opens_run);
    case SplitBehavior::kMergedWithNext: {
      std::reverse(parts.begin(), parts.end());
      std::vector<Regex::Match> ranges = joined(parts, opens_run);
      std::reverse(ranges.begin(), ranges.end());
      return ranges;
    }
  }
  return joined(parts, [](bool, bool) { return false; });
}

}  // namespace

const char* const kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const char* const kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

const char* const kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::vector<Regex::Match> split(const SplitStep& step, std::string_view text) {
  std::vector<Regex::Match> ranges = arranged(parts_of(step, text), step.behavior);
  std::erase_if(ranges, [](const Regex::Match& range) { return range.begin == range.end; });
  return ranges;
}

std::vector<Regex::Match> PreTokenizer::pieces(std::string_view text) const {
  if (text.empty()) return {};
  std::vector<Regex::Match> pieces = {{0, text.size()}};
  for (const SplitStep& step : options_.splits) {
    std::vector<Regex::Match> next;
    for (const Regex::Match& piece : pieces) {
      // Each piece is a text of its own: look-around does not see past its ends.
      for (const Regex::Match& part : split(step, text.substr(piece.begin, piece.end - piece.begin))) {
        next.push_back({piece.begin + part.begin, piece.begin + part.end});
      }
    }
    pieces = std::move(next);
  }
  return pieces;
}

TracedText with_leading_space(const TracedText& text) {
  return text.bytes().starts_with(' ') ? text : with_prefix(" ", text);
}

TracedText with_metaspaces(const std::string& replacement, PrependScheme scheme, const TracedText& text) {
  static const Regex space = Regex::literal(" ");
  TracedText result = with_replaced(space, replacement, text);
  const bool wanted =
      scheme == PrependScheme::kAlways || (scheme == PrependScheme::kFirst && result.span(0, 0).begin == 0);
  return wanted && !result.bytes().starts_with(replacement) ? with_prefix(replacement, result) : result;
}

}  // namespace quiver
