#include <algorithm>
#include <list>
#include <map>

#include "kernels/loss.h"
#include "modular/adapters.h"
#include "quiver/error.h"
#include "quiver/routed_model.h"

namespace quiver {
namespace {

// One request as tokens: the completion begins at `begin`, at least 1.
struct Tokenised {
  std::vector<std::int32_t> ids;
  std::size_t begin = 0;
  const LinearAdapter* adapter = nullptr;

  std::size_t run() const { return ids.size() - 1; }  // tokens to run: the last has no successor
};

// Requests that share a prompt, and the tokens with which all of them begin.
struct Group {
  std::size_t first = 0, last = 0;           // requests [first, last)
  const SequenceCache* beginning = nullptr;  // of all the adapter's texts; null where they have none
  std::size_t shared = 0;                    // tokens before those that each text runs for itself
  std::size_t tokens = 0;                    // run in all

  std::size_t begun() const {
    return beginning == nullptr ? 0 : static_cast<std::size_t>(beginning->length());
  }
};

Tokenised tokenise(const ScoreRequest& request, const ScoreOptions& options) {
  if (request.completion.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "a completion is empty, there is nothing to score");
  }
  const BaseModel& base = request.model->base();
  Encoding encoding = base.tokenizer().encode(request.prompt + request.completion);
  const auto in_completion = [&](const TextSpan& span) { return span.end > request.prompt.size(); };
  Tokenised result;
  result.begin = static_cast<std::size_t>(
      std::find_if(encoding.spans.begin(), encoding.spans.end(), in_completion) - encoding.spans.begin());
  result.ids = std::move(encoding.ids);
  if (request.append_end_of_text) result.ids.push_back(base.eos_id());
  if (result.begin == 0) {  // no prompt token to predict from: start after the end of another text
    result.ids.insert(result.ids.begin(), base.eos_id());
    result.begin = 1;
  }
  // The last token is predicted, and needs no position.
  const auto limit =
      static_cast<std::size_t>(std::min(options.max_input_length, base.shape().max_positions + 1));
  if (result.ids.size() > limit) {
    const std::size_t dropped = result.ids.size() - limit;
    if (dropped + 1 > result.begin) {
      throw Error(ErrorKind::kInvalidArgument,
                  "a completion of " + std::to_string(result.ids.size() - result.begin) +
                      " tokens does not fit in a text of " + std::to_string(limit) + " tokens");
    }
    result.ids.erase(result.ids.begin(), result.ids.begin() + static_cast<std::ptrdiff_t>(dropped));
    result.begin -= dropped;
  }
  result.adapter = request.model->adapter_for(request.task_name);
  return result;
}

// How many first tokens texts have in common, short of the one whose successor is scored first. None where a
// text outgrows the cache of the others.
class CommonBeginning {
 public:
  void add(const Tokenised& text, std::int64_t cache_boundary) {
    if (first_ == nullptr) first_ = &text, tokens_ = text.begin - 1;
    const auto mismatch =
        std::mismatch(text.ids.begin(), text.ids.end(), first_->ids.begin(), first_->ids.end());
    const auto equal = static_cast<std::size_t>(mismatch.first - text.ids.begin());
    tokens_ = std::min({tokens_, text.begin - 1, equal});
    if (cache_boundary > 0 && text.run() > static_cast<std::size_t>(cache_boundary)) tokens_ = 0;
  }
  std::span<const std::int32_t> ids() const { return std::span(first_->ids).first(tokens_); }

 private:
  const Tokenised* first_ = nullptr;
  std::size_t tokens_ = 0;
};

// A prompt with more completions than the budget holds is run in several groups.
std::vector<Group> group_by_prompt(std::span<const ScoreRequest> requests,
                                   const std::vector<Tokenised>& texts, std::int64_t token_budget) {
  std::vector<Group> groups;
  std::size_t tokens = 0;  // of the last group, if nothing in it were shared
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const bool joins = !groups.empty() && requests[groups.back().first].model == requests[i].model &&
                       requests[groups.back().first].prompt == requests[i].prompt &&
                       texts[groups.back().first].adapter == texts[i].adapter &&
                       tokens + texts[i].run() <= static_cast<std::size_t>(token_budget);
    if (joins) {
      groups.back().last = i + 1;
      tokens += texts[i].run();
    } else {
      groups.push_back({i, i + 1});
      tokens = texts[i].run();
    }
  }
  return groups;
}

// What all texts of an adapter begin with, an instruction or "Question:", run once for all groups.
class Beginnings {
 public:
  Beginnings(const BaseModel& base, const std::vector<Tokenised>& texts, std::span<const Group> groups) {
    struct Texts {
      CommonBeginning common;
      std::size_t groups = 0;
    };
    std::map<const LinearAdapter*, Texts> by_adapter;
    for (const Group& group : groups) {
      Texts& all = by_adapter[texts[group.first].adapter];
      for (std::size_t i = group.first; i < group.last; ++i)
        all.common.add(texts[i], base.shape().cache_boundary);
      ++all.groups;
    }
    for (const auto& [adapter, all] : by_adapter) {
      const std::span<const std::int32_t> ids = all.common.ids();
      constexpr std::size_t kTokens = 32;  // below, running them again costs less than a step of its own
      if (ids.size() * (all.groups - 1) < kTokens) continue;
      SequenceCache cache = base.make_cache(static_cast<std::int64_t>(ids.size()));
      RaggedBatch batch;
      batch.add(ids);
      batch.rows.emplace();  // none: what it is run for is the cache
      SequenceCache* const caches[] = {&cache};
      base.forward(batch, adapter, caches);
      caches_.emplace(adapter, std::move(cache));
    }
  }

  const SequenceCache* of(const LinearAdapter* adapter) const {
    const auto found = caches_.find(adapter);
    return found == caches_.end() ? nullptr : &found->second;
  }

 private:
  std::map<const LinearAdapter*, SequenceCache> caches_;
};

void count_tokens(Group& group, const std::vector<Tokenised>& texts, const Beginnings& beginnings,
                  std::int64_t cache_boundary) {
  group.beginning = beginnings.of(texts[group.first].adapter);
  group.shared = group.begun();
  if (group.last - group.first > 1) {
    CommonBeginning common;
    for (std::size_t i = group.first; i < group.last; ++i) common.add(texts[i], cache_boundary);
    group.shared = common.ids().size();
  }
  group.tokens = group.shared - group.begun();
  for (std::size_t i = group.first; i < group.last; ++i) group.tokens += texts[i].run() - group.shared;
}

// Runs groups of one batch: first the shared beginnings, then every text's own rest on a copy of that cache.
class GroupRunner {
 public:
  explicit GroupRunner(const BaseModel& base, const std::vector<Tokenised>& texts)
      : base_(base), texts_(texts) {}

  void run(std::span<const Group> groups, std::span<const ScoreRequest> requests,
           std::vector<Score>& scores) {
    std::list<SequenceCache> owned;
    const std::vector<const SequenceCache*> shared = run_shared(groups, owned);
    RaggedBatch batch;
    RowRangeAdapter adapter;
    std::vector<SequenceCache*> caches;
    std::vector<std::int64_t> rows, targets;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const Group& group = groups[g];
      for (std::size_t i = group.first; i < group.last; ++i) {
        const Tokenised& text = texts_[i];
        const auto length = static_cast<std::int64_t>(text.run());
        owned.push_back(make_cache(shared[g], length));
        caches.push_back(&owned.back());
        const std::int64_t row_begin = batch.tokens();
        batch.add(std::span(text.ids).first(text.run()).subspan(group.shared));
        adapter.add(row_begin, batch.tokens(), text.adapter);
        for (std::size_t t = text.begin; t < text.ids.size(); ++t) {
          rows.push_back(row_begin + static_cast<std::int64_t>(t - 1 - group.shared));
          targets.push_back(text.ids[t]);
        }
      }
    }
    batch.rows = std::move(rows);
    const at::Tensor hidden = base_.forward(batch, adapter.for_batch(batch.tokens()), caches);
    const TargetScores token_scores =
        score_targets(hidden, at::tensor(targets).to(hidden.device()),
                      [&](const at::Tensor& block) { return base_.logits(block); });
    add_up(groups, requests, token_scores, scores);
  }

 private:
  SequenceCache make_cache(const SequenceCache* beginning, std::int64_t capacity) const {
    return beginning == nullptr ? base_.make_cache(capacity) : beginning->fork(capacity);
  }

  // By group, what its texts go on from; null: nothing.
  std::vector<const SequenceCache*> run_shared(std::span<const Group> groups,
                                               std::list<SequenceCache>& owned) const {
    RaggedBatch batch;
    RowRangeAdapter adapter;
    std::vector<SequenceCache*> caches;
    std::vector<const SequenceCache*> result;
    for (const Group& group : groups) {
      result.push_back(group.beginning);
      if (group.shared == group.begun()) continue;
      owned.push_back(make_cache(group.beginning, static_cast<std::int64_t>(group.shared)));
      caches.push_back(&owned.back());
      result.back() = &owned.back();
      const Tokenised& text = texts_[group.first];
      const std::int64_t row_begin = batch.tokens();
      batch.add(std::span(text.ids).first(group.shared).subspan(group.begun()));
      adapter.add(row_begin, batch.tokens(), text.adapter);
    }
    batch.rows.emplace();  // none: what it is run for is the cache
    if (!caches.empty()) base_.forward(batch, adapter.for_batch(batch.tokens()), caches);
    return result;
  }

  void add_up(std::span<const Group> groups, std::span<const ScoreRequest> requests,
              const TargetScores& token_scores, std::vector<Score>& scores) {
    const at::Tensor log_probability = token_scores.log_probability.cpu().contiguous();
    const at::Tensor is_greedy = token_scores.is_greedy.cpu().contiguous();
    const float* value = log_probability.const_data_ptr<float>();
    const bool* greedy = is_greedy.const_data_ptr<bool>();
    for (const Group& group : groups) {
      for (std::size_t i = group.first; i < group.last; ++i) {
        Score& score = scores[i];
        const std::size_t end = texts_[i].ids.size() - (requests[i].append_end_of_text ? 1 : 0);
        score.tokens = static_cast<std::int64_t>(end - texts_[i].begin);
        score.greedy = true;
        for (std::size_t t = texts_[i].begin; t < end; ++t) {
          score.logprob += *value++;
          score.greedy = *greedy++ && score.greedy;
        }
        if (requests[i].append_end_of_text) {
          score.end_logprob = *value++;
          ++greedy;
        }
      }
    }
  }

  const BaseModel& base_;
  const std::vector<Tokenised>& texts_;
};

}  // namespace

std::vector<Score> score(std::span<const ScoreRequest> requests, const ScoreOptions& options,
                         const std::function<void(std::size_t)>& on_progress) {
  const at::NoGradGuard no_gradients;
  std::vector<Score> scores(requests.size());
  if (requests.empty()) return scores;
  std::vector<Tokenised> texts;
  for (const ScoreRequest& request : requests) {
    if (&request.model->base() != &requests.front().model->base()) {
      throw Error(ErrorKind::kInvalidArgument, "the requests of one call must share their base model");
    }
    texts.push_back(tokenise(request, options));
  }
  const BaseModel& base = requests.front().model->base();
  std::vector<Group> groups = group_by_prompt(requests, texts, options.token_budget);
  const Beginnings beginnings(base, texts, groups);
  for (Group& group : groups) count_tokens(group, texts, beginnings, base.shape().cache_boundary);
  GroupRunner runner(base, texts);
  for (std::size_t first = 0; first < groups.size();) {
    std::size_t last = first + 1, tokens = groups[first].tokens;
    while (last < groups.size() &&
           tokens + groups[last].tokens <= static_cast<std::size_t>(options.token_budget)) {
      tokens += groups[last++].tokens;
    }
    runner.run(std::span(groups).subspan(first, last - first), requests, scores);
    if (on_progress) on_progress(groups[last - 1].last);
    first = last;
  }
  return scores;
}

}  // namespace quiver
