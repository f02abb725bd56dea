#include "data/tokenized_example.h"

#include <algorithm>
#include <limits>

#include "quiver/error.h"

namespace quiver {
namespace {

// Whether " word" is one token like "word", as for byte-level vocabularies; then a space left at the end of
// the prompt would be a token that never stands there in joined text.
bool merges_space(const Tokenizer& tokenizer) {
  return tokenizer.encode("this").ids.size() == tokenizer.encode(" this").ids.size();
}

bool starts_with_space(std::string_view text) { return text.starts_with(' ') || text.starts_with('\n'); }
bool ends_with_space(std::string_view text) { return text.ends_with(' ') || text.ends_with('\n'); }

// The part of (T) tokens that truncation keeps: [first, last).
struct Window {
  std::size_t first;
  std::size_t last;
};

Window window(std::size_t tokens, const TokenizeOptions& options) {
  const auto kept =
      std::min(tokens, static_cast<std::size_t>(std::max<std::int64_t>(options.max_input_length, 0)));
  return options.truncation_side == TruncationSide::kLeft ? Window{tokens - kept, tokens} : Window{0, kept};
}

}  // namespace

JoinedText join_source_target(std::string_view source, std::string_view target, SpaceMerging merging) {
  JoinedText joined{std::string(source), std::string(target)};
  if (merging == SpaceMerging::kIntoNextWord && source.ends_with(' ')) {
    joined.source.pop_back();
    joined.target.insert(0, 1, ' ');
  }
  const bool touches = !joined.source.empty() && !ends_with_space(joined.source);
  if (touches && !joined.target.empty() && !starts_with_space(joined.target)) joined.target.insert(0, 1, ' ');
  return joined;
}

std::optional<TokenizedExample> tokenize_for_training(const Tokenizer& tokenizer, std::int32_t eos_id,
                                                      const Example& example,
                                                      const TokenizeOptions& options) {
  const SpaceMerging merging = merges_space(tokenizer) ? SpaceMerging::kIntoNextWord : SpaceMerging::kNone;
  const JoinedText joined = join_source_target(example.source, example.target, merging);
  const std::string text = joined.source + joined.target;
  Encoding encoding = tokenizer.encode(text);

  const auto is_target = [&](const TextSpan& span) { return span.end > joined.source.size(); };
  const auto first_target = std::ranges::find_if(encoding.spans, is_target);
  std::size_t target_begin = static_cast<std::size_t>(first_target - encoding.spans.begin());
  if (options.train_on_inputs) target_begin = 0;
  if (options.beginning) {
    const std::span<const std::int32_t> before = options.beginning->before(text);
    encoding.ids.insert(encoding.ids.begin(), before.begin(), before.end());
    target_begin += before.size();
  }
  if (options.add_eos_to_targets) encoding.ids.push_back(eos_id);

  const auto [first, last] = window(encoding.ids.size(), options);
  target_begin = std::max(target_begin, first);
  if (target_begin >= last) return std::nullopt;
  if (last - first > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error(ErrorKind::kUnsupported, "an example of task '" + example.task_name + "' has " +
                                             std::to_string(last - first) + " tokens");
  }
  TokenizedExample result;
  result.ids.assign(encoding.ids.begin() + static_cast<std::ptrdiff_t>(first),
                    encoding.ids.begin() + static_cast<std::ptrdiff_t>(last));
  result.target_begin = static_cast<std::int32_t>(target_begin - first);
  return result;
}

}  // namespace quiver
