#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <list>

#include "kernels/loss.h"
#include "model/first_not_finite.h"
#include "modular/adapters.h"
#include "modular/prompt_ids.h"
#include "modular/score_groups.h"
#include "quiver/error.h"

namespace quiver {
namespace {

constexpr std::size_t kCachedPerToken = 4;  // positions in a batch's caches for each token of its budget

// Binds requests in their order; neighbours with one model, task and prompt once.
class Binder {
 public:
  // From the prompt alone, whatever completion stands behind it: as generate() decides for it.
  const Binding& bind(const ScoreRequest& request, const ScoreOptions& options) {
    const bool looks = request.model.looks_at_prompts();
    if (last_ != nullptr && last_->model.shares_state(request.model) &&
        last_->task_name == request.task_name && (!looks || is_same_prompt(*last_, request))) {
      return binding_;
    }
    last_ = nullptr;
    if (!looks) {
      binding_ = request.model.bind({}, request.task_name);
      last_ = &request;
      return binding_;
    }
    const bool is_text = request.ids.empty();
    TextIds prompt =
        is_text ? prompt_ids(request.model, request.prompt) : TextIds{request.ids, request.begin};
    prompt.ids.resize(prompt.begin);
    const std::int64_t limit = std::min(options.max_input_length, request.model.base().shape().max_positions);
    // A prompt that is too long is an error of the text as a whole, or has none.
    prompt = fit(std::move(prompt), limit,
                 options.truncation == Truncation::kError ? Truncation::kLeft : options.truncation);
    binding_ = request.model.bind(prompt.ids, request.task_name);
    last_ = &request;
    return binding_;
  }

 private:
  static bool is_same_prompt(const ScoreRequest& left, const ScoreRequest& right) {
    if (left.ids.empty() || right.ids.empty())
      return left.ids.empty() == right.ids.empty() && left.prompt == right.prompt;
    return left.begin == right.begin && left.begin <= std::min(left.ids.size(), right.ids.size()) &&
           std::equal(left.ids.begin(), left.ids.begin() + static_cast<std::ptrdiff_t>(left.begin),
                      right.ids.begin());
  }

  const ScoreRequest* last_ = nullptr;
  Binding binding_;
};

TokenizedText tokenize(const ScoreRequest& request, const ScoreOptions& options, Binder& binder) {
  const BaseModel& base = request.model.base();
  TextIds text = request.ids.empty() ? completion_ids(request.model, request.prompt, request.completion)
                                     : TextIds{request.ids, request.begin};
  if (request.append_end_of_text) text.ids.push_back(base.eos_id());
  // The last token is predicted, and needs no position.
  const std::int64_t limit = std::min(options.max_input_length, base.shape().max_positions + 1);
  text = fit(std::move(text), limit, options.truncation);
  const Binding& binding = binder.bind(request, options);
  return {.ids = std::move(text.ids),
          .begin = text.begin,
          .dropped = text.dropped,
          .adapter = binding.adapter.get(),
          .binding = binding,
          .request = &request};
}

// Runs groups of one batch: first what each shares, then every text's own rest on a copy of that cache.
class GroupRunner {
 public:
  GroupRunner(const BaseModel& base, const std::vector<TokenizedText>& texts, Beginnings& beginnings,
              bool records)
      : base_(base), texts_(texts), beginnings_(beginnings), records_(records) {}

  // Sets the scores of the groups' requests.
  void run(std::span<const TextGroup> groups, std::span<Score> scores) {
    const Shared shared = run_shared(groups);
    RaggedBatch batch;
    RowRangeAdapter adapter;
    std::list<SequenceCache> owned;
    std::vector<SequenceCache*> caches;
    std::vector<std::int64_t> rows, targets;
    std::list<PromptRouting> routings;  // of every text
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const TextGroup& group = groups[g];
      for (std::size_t i = group.first; i < group.last; ++i) {
        const TokenizedText& text = texts_[i];
        owned.push_back(make_cache(shared.by_group[g], text.run()));
        caches.push_back(&owned.back());
        const std::int64_t row_begin = batch.tokens();
        batch.add(std::span(text.ids).first(text.run()).subspan(group.shared));
        adapter.add(row_begin, batch.tokens(),
                    record(text, routings.emplace_back(), batch.tokens() - row_begin,
                           static_cast<std::int64_t>(text.begin - group.shared)));
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
    add_up(groups, token_scores, scores);
    if (records_) tell_routing(groups, shared, routings, scores);
  }

 private:
  // By group, what its texts go on from; null: nothing.
  struct Shared {
    std::vector<const SequenceCache*> by_group;
    std::list<SequenceCache> owned;
    std::list<PromptRouting> routings;  // by group
  };

  // What to run `rows` tokens of a text with, the first `counted` of which are its prompt's.
  const LinearAdapter* record(const TokenizedText& text, PromptRouting& routing, std::int64_t rows,
                              std::int64_t counted) const {
    return records_ ? routing.record(text.binding.adapter, rows, counted) : text.adapter;
  }

  // Sets what token routers did with the prompts.
  void tell_routing(std::span<const TextGroup> groups, const Shared& shared,
                    std::list<PromptRouting>& routings, std::span<Score> scores) const {
    auto own = routings.begin();
    auto of_group = shared.routings.begin();
    for (const TextGroup& group : groups) {
      const PromptRouting* const begun = beginnings_.routing(texts_[group.first].adapter);
      for (std::size_t i = group.first; i < group.last; ++i, ++own) {
        Score& score = scores[texts_[i].place];
        if (score.error || !score.expert_weights.empty()) continue;
        own->add(*of_group);
        if (begun != nullptr) own->add(*begun);
        score.expert_weights = own->mean(static_cast<std::int64_t>(texts_[i].begin));
      }
      ++of_group;
    }
  }

  Shared run_shared(std::span<const TextGroup> groups) {
    RaggedBatch batch;
    RowRangeAdapter adapter;
    std::vector<SequenceCache*> caches;
    Shared shared;
    for (const TextGroup& group : groups) {
      const TokenizedText& text = texts_[group.first];
      PromptRouting& routing = shared.routings.emplace_back();
      const SequenceCache* begun = beginnings_.cache(text.binding.adapter);
      if (group.shared > group.begun) {
        shared.owned.push_back(make_cache(begun, group.shared));
        begun = caches.emplace_back(&shared.owned.back());
        const std::int64_t row_begin = batch.tokens();
        batch.add(std::span(text.ids).first(group.shared).subspan(group.begun));
        const std::int64_t own = batch.tokens() - row_begin;
        adapter.add(row_begin, batch.tokens(), record(text, routing, own, own));
      }
      shared.by_group.push_back(begun);
    }
    batch.rows.emplace();  // none: what it is run for is the cache
    if (!caches.empty()) base_.forward(batch, adapter.for_batch(batch.tokens()), caches);
    return shared;
  }

  SequenceCache make_cache(const SequenceCache* begun, std::size_t tokens) const {
    const auto capacity = static_cast<std::int64_t>(tokens);
    return begun == nullptr ? base_.make_cache(capacity) : begun->fork(capacity);
  }

  void add_up(std::span<const TextGroup> groups, const TargetScores& token_scores, std::span<Score> scores) {
    const at::Tensor log_probability = token_scores.log_probability.cpu().contiguous();
    const at::Tensor is_greedy = token_scores.is_greedy.cpu().contiguous();
    const float* value = log_probability.const_data_ptr<float>();
    const bool* greedy = is_greedy.const_data_ptr<bool>();
    for (const TextGroup& group : groups) {
      for (std::size_t i = group.first; i < group.last; ++i) {
        const TokenizedText& text = texts_[i];
        Score& score = scores[text.place];
        const std::size_t end = text.ids.size() - (text.request->append_end_of_text ? 1 : 0);
        score.dropped_tokens = text.dropped;
        score.expert_weights = text.binding.expert_weights;
        score.tokens = static_cast<std::int64_t>(end - text.begin);
        score.greedy = true;
        for (std::size_t t = text.begin; t < end; ++t) {
          score.logprob += *value++;
          score.greedy = *greedy++ && score.greedy;
        }
        if (text.request->append_end_of_text) {
          score.end_logprob = *value++;
          ++greedy;
        }
        if (!std::isfinite(score.logprob) || !std::isfinite(score.end_logprob)) {
          const std::span<const std::int32_t> run = std::span(text.ids).first(text.run());
          score = {.error = not_finite_error(base_, run, text.adapter)};
        }
      }
    }
  }

  const BaseModel& base_;
  const std::vector<TokenizedText>& texts_;
  Beginnings& beginnings_;
  const bool records_;
};

}  // namespace

std::vector<Score> score(std::span<const ScoreRequest> requests, const ScoreOptions& options,
                         const std::function<void(std::size_t)>& on_progress) {
  const at::NoGradGuard no_gradients;
  std::vector<Score> scores(requests.size());
  if (requests.empty()) return scores;
  const BaseModel& base = requests.front().model.base();
  std::vector<TokenizedText> texts;
  Binder binder;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (&requests[i].model.base() != &base) {
      throw Error(ErrorKind::kInvalidArgument, "the requests of one call must share their base model");
    }
    try {
      texts.push_back(tokenize(requests[i], options, binder));
      texts.back().place = i;
    } catch (const Error& error) {
      scores[i].error = error;
    }
  }
  const std::size_t failed = requests.size() - texts.size();
  std::vector<TextGroup> groups = group_by_prompt(texts, options.token_budget);
  Beginnings beginnings(base, texts, groups, options.record_routing);
  GroupRunner runner(base, texts, beginnings, options.record_routing);
  const auto budget = static_cast<std::size_t>(options.token_budget);
  for (std::size_t first = 0; first < groups.size();) {
    std::size_t last = first, tokens = 0, cached = 0;
    do {
      tokens += groups[last].tokens;
      cached += groups[last++].cached;
    } while (last < groups.size() && tokens + groups[last].tokens <= budget &&
             cached + groups[last].cached <= kCachedPerToken * budget);
    runner.run(std::span(groups).subspan(first, last - first), scores);
    if (on_progress) on_progress(failed + groups[last - 1].last);
    beginnings.drop_before(groups[last - 1].last);
    first = last;
  }
  return scores;
}

}  // namespace quiver
