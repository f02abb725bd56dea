#include "modular/score_groups.h"

#include <algorithm>

namespace quiver {
namespace {

// Fewer tokens cost less in their batches than in a step of their own, which reads all weights.
constexpr std::size_t kWorthAStep = 32;

void count(TextGroup& group, std::span<const TokenizedText> texts) {
  group.shared = std::max(group.shared, group.begun);
  group.tokens = group.shared - group.begun;
  group.cached = group.shared;
  for (std::size_t i = group.first; i < group.last; ++i) {
    group.tokens += texts[i].run() - group.shared;
    group.cached += texts[i].run();
  }
}

}  // namespace

void CommonBeginning::add(const TokenizedText& text, std::int64_t cache_boundary) {
  const std::span<const std::int32_t> prompt = std::span(text.ids).first(text.begin - 1);
  if (is_empty_) ids_ = prompt;
  is_empty_ = false;
  const auto mismatch = std::mismatch(ids_.begin(), ids_.end(), prompt.begin(), prompt.end());
  ids_ = ids_.first(static_cast<std::size_t>(mismatch.first - ids_.begin()));
  if (cache_boundary > 0 && text.run() > static_cast<std::size_t>(cache_boundary)) ids_ = {};
}

std::vector<TextGroup> group_by_prompt(std::span<const TokenizedText> texts, std::int64_t token_budget) {
  std::vector<TextGroup> groups;
  std::size_t tokens = 0;  // of the last group, if nothing in it were shared
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const TokenizedText* first = groups.empty() ? nullptr : &texts[groups.back().first];
    const bool joins = first != nullptr && first->adapter == texts[i].adapter &&
                       first->request->prompt == texts[i].request->prompt &&
                       tokens + texts[i].run() <= static_cast<std::size_t>(token_budget);
    if (joins) {
      groups.back().last = i + 1;
      tokens += texts[i].run();
    } else {
      groups.push_back({.first = i, .last = i + 1});
      tokens = texts[i].run();
    }
  }
  for (TextGroup& group : groups) {
    CommonBeginning common;
    const std::int64_t boundary = texts[group.first].request->model.base().shape().cache_boundary;
    for (std::size_t i = group.first; i < group.last; ++i) common.add(texts[i], boundary);
    if (group.last - group.first > 1) group.shared = common.ids().size();
    count(group, texts);
  }
  return groups;
}

Beginnings::Beginnings(const BaseModel& base, std::span<const TokenizedText> texts,
                       std::vector<TextGroup>& groups, bool records)
    : base_(base), records_(records) {
  for (const TextGroup& group : groups) {
    Beginning& beginning = beginnings_[texts[group.first].adapter];
    for (std::size_t i = group.first; i < group.last; ++i)
      beginning.common.add(texts[i], base.shape().cache_boundary);
    ++beginning.groups;
    beginning.last = group.last;
  }
  std::erase_if(beginnings_, [](const auto& entry) {
    return entry.second.common.ids().size() * (entry.second.groups - 1) < kWorthAStep;
  });
  for (TextGroup& group : groups) {
    const auto found = beginnings_.find(texts[group.first].adapter);
    if (found == beginnings_.end()) continue;
    group.begun = found->second.common.ids().size();
    count(group, texts);
  }
}

const SequenceCache* Beginnings::cache(const std::shared_ptr<const LinearAdapter>& adapter) {
  const auto found = beginnings_.find(adapter.get());
  if (found == beginnings_.end()) return nullptr;
  std::optional<SequenceCache>& cache = found->second.cache;
  if (!cache) {
    const std::span<const std::int32_t> ids = found->second.common.ids();
    cache = base_.make_cache(static_cast<std::int64_t>(ids.size()));
    RaggedBatch batch;
    batch.add(ids);
    batch.rows.emplace();  // none: what it is run for is the cache
    SequenceCache* const caches[] = {&*cache};
    const std::int64_t tokens = batch.tokens();
    const LinearAdapter* const run =
        records_ ? found->second.routing.record(adapter, tokens, tokens) : adapter.get();
    base_.forward(batch, run, caches);
  }
  return &*cache;
}

const PromptRouting* Beginnings::routing(const LinearAdapter* adapter) const {
  const auto found = beginnings_.find(adapter);
  return found == beginnings_.end() || !records_ ? nullptr : &found->second.routing;
}

void Beginnings::drop_before(std::size_t text) {
  std::erase_if(beginnings_, [&](const auto& entry) { return entry.second.last <= text; });
}

}  // namespace quiver
