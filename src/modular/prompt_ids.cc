#include "modular/prompt_ids.h"

#include <algorithm>

#include "core/log.h"
#include "quiver/error.h"
#include "text/text_beginning.h"

namespace quiver {
namespace {

const Tokenizer& tokenizer_of(const RoutedModel& model) { return model.base().tokenizer(); }

template <typename Result>
void warn(std::span<const Result> results, Truncation truncation) {
  const auto cut =
      std::ranges::count_if(results, [](const Result& result) { return result.dropped_tokens > 0; });
  if (cut == 0) return;
  const std::string side = truncation == Truncation::kLeft ? "beginning" : "end";
  log_warning(std::to_string(cut) + " of " + std::to_string(results.size()) +
              " texts are too long for the model, and their prompts lose the " + side +
              " (--truncate left, right or error)");
}

}  // namespace

TextIds prompt_ids(const RoutedModel& model, std::string_view prompt) {
  TextIds text{prompt_tokens(tokenizer_of(model), model.text_beginning(), prompt)};
  text.begin = text.ids.size();
  return text;
}

TextIds completion_ids(const RoutedModel& model, std::string_view prompt, std::string_view completion) {
  if (completion.empty())
    throw Error(ErrorKind::kInvalidArgument, "a completion is empty, there is nothing to score");
  const std::string text = std::string(prompt) + std::string(completion);
  Encoding encoding = tokenizer_of(model).encode(text);
  const auto in_completion = [&](const TextSpan& span) { return span.end > prompt.size(); };
  const auto first = std::ranges::find_if(encoding.spans, in_completion);
  const auto begin = static_cast<std::size_t>(first - encoding.spans.begin());
  return begun_ids(model, text, std::move(encoding.ids), begin);
}

TextIds begun_ids(const RoutedModel& model, std::string_view text, std::vector<std::int32_t> ids,
                  std::size_t begin) {
  const TextBeginning& beginning = model.text_beginning();
  const std::span<const std::int32_t> before = beginning.before(text);
  TextIds result{std::move(ids), begin + before.size()};
  result.ids.insert(result.ids.begin(), before.begin(), before.end());
  if (result.begin > 0) return result;
  result.begin = 1;
  if (result.ids.size() < 2 || result.ids.front() != beginning.of_empty_text())
    result.ids.insert(result.ids.begin(), beginning.of_empty_text());
  return result;
}

Truncation parse_truncation(const std::string& text) {
  if (text == "left") return Truncation::kLeft;
  if (text == "right") return Truncation::kRight;
  if (text == "error") return Truncation::kError;
  throw Error(ErrorKind::kInvalidArgument, "unknown truncation '" + text.substr(0, 100) + "'",
              "it is left, right or error");
}

TextIds fit(TextIds text, std::int64_t limit, Truncation truncation) {
  const auto size = static_cast<std::int64_t>(text.ids.size()), over = size - limit;
  const auto begin = static_cast<std::int64_t>(text.begin);
  if (over <= 0) return text;
  if (truncation == Truncation::kError) {
    throw Error(ErrorKind::kInvalidArgument,
                "a text of " + std::to_string(size) + " tokens is longer than the " + std::to_string(limit) +
                    " that fit",
                "--truncate left or right cuts its prompt");
  }
  if (over >= begin) {
    throw Error(ErrorKind::kInvalidArgument, "a completion of " + std::to_string(size - begin) +
                                                 " tokens does not fit in a text of " +
                                                 std::to_string(limit) + " tokens");
  }
  const auto first = text.ids.begin() + (truncation == Truncation::kLeft ? 0 : begin - over);
  text.ids.erase(first, first + over);
  text.begin -= static_cast<std::size_t>(over);
  text.dropped = over;
  return text;
}

void warn_of_cut_texts(std::span<const Score> scores, Truncation truncation) { warn(scores, truncation); }

void warn_of_cut_texts(std::span<const Generation> generations, Truncation truncation) {
  warn(generations, truncation);
}

}  // namespace quiver
