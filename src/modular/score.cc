#include <algorithm>
#include <list>

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
  std::size_t first = 0, last = 0;  // requests [first, last)
  std::size_t shared = 0;           // tokens run once for all; 0 where there is nothing to share
  std::size_t tokens = 0;           // run in all
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

// How many first tokens all have in common, short of the one whose successor is scored first. None where a
// text outgrows the cache of the others.
std::size_t shared_prefix(std::span<const Tokenised> texts, std::int64_t cache_boundary) {
  std::size_t shared = texts[0].begin - 1;
  const auto boundary = static_cast<std::size_t>(cache_boundary);
  for (const Tokenised& text : texts) {
    const auto mismatch =
        std::mismatch(text.ids.begin(), text.ids.end(), texts[0].ids.begin(), texts[0].ids.end());
    const auto equal = static_cast<std::size_t>(mismatch.first - text.ids.begin());
    shared = std::min({shared, text.begin - 1, equal});
    if (boundary > 0 && text.run() > boundary) return 0;
  }
  return shared;
}

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
      groups.push_back({i, i + 1, 0, 0});
      tokens = texts[i].run();
    }
  }
  for (Group& group : groups) {
    const std::span<const Tokenised> members(texts.data() + group.first, group.last - group.first);
    if (members.size() > 1) {
      const std::int64_t boundary = requests[group.first].model->base().shape().cache_boundary;
      group.shared = shared_prefix(members, boundary);
    }
    group.tokens = group.shared;
    for (const Tokenised& text : members) group.tokens += text.run() - group.shared;
  }
  return groups;
}

// Runs groups of one batch: first the shared beginnings, then every text's own rest on a copy of that cache.
class GroupRunner {
 public:
  explicit GroupRunner(const BaseModel& base, const std::vector<Tokenised>& texts)
      : base_(base), texts_(texts) {}

  void run(std::span<const Group> groups, std::span<const ScoreRequest> requests,
           std::vector<Score>& scores) {
    std::list<SequenceCache> shared = run_shared(groups);
    RaggedBatch batch;
    RowRangeAdapter adapter;
    std::list<SequenceCache> owned;
    std::vector<SequenceCache*> caches;
    std::vector<std::int64_t> rows, targets;
    auto prefix = shared.begin();
    for (const Group& group : groups) {
      for (std::size_t i = group.first; i < group.last; ++i) {
        const Tokenised& text = texts_[i];
        const auto length = static_cast<std::int64_t>(text.run());
        owned.push_back(group.shared > 0 ? prefix->fork(length) : base_.make_cache(length));
        caches.push_back(&owned.back());
        const std::int64_t row_begin = batch.tokens();
        batch.add(std::span(text.ids).first(text.run()).subspan(group.shared));
        adapter.add(row_begin, batch.tokens(), text.adapter);
        for (std::size_t t = text.begin; t < text.ids.size(); ++t) {
          rows.push_back(row_begin + static_cast<std::int64_t>(t - 1 - group.shared));
          targets.push_back(text.ids[t]);
        }
      }
      if (group.shared > 0) ++prefix;
    }
    batch.rows = std::move(rows);
    const at::Tensor hidden = base_.forward(batch, adapter.for_batch(batch.tokens()), caches);
    const TargetScores token_scores =
        score_targets(hidden, at::tensor(targets).to(hidden.device()),
                      [&](const at::Tensor& block) { return base_.logits(block); });
    add_up(groups, requests, token_scores, scores);
  }

 private:
  std::list<SequenceCache> run_shared(std::span<const Group> groups) {
    RaggedBatch batch;
    RowRangeAdapter adapter;
    std::list<SequenceCache> owned;
    std::vector<SequenceCache*> caches;
    for (const Group& group : groups) {
      if (group.shared == 0) continue;
      owned.push_back(base_.make_cache(static_cast<std::int64_t>(group.shared)));
      caches.push_back(&owned.back());
      const std::int64_t row_begin = batch.tokens();
      batch.add(std::span(texts_[group.first].ids).subspan(0, group.shared));
      adapter.add(row_begin, batch.tokens(), texts_[group.first].adapter);
    }
    batch.rows.emplace();  // none: what it is run for is the cache
    if (!caches.empty()) base_.forward(batch, adapter.for_batch(batch.tokens()), caches);
    return owned;
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
  const std::vector<Group> groups = group_by_prompt(requests, texts, options.token_budget);
  GroupRunner runner(requests.front().model->base(), texts);
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
