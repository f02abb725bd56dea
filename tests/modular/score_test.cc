#include <ATen/core/grad_mode.h>

#include "modular/routed_fixture.h"
#include "quiver/generation.h"
#include "quiver/scoring.h"
#include "support/damaged_model.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::error_message;

constexpr double kTolerance = 1e-4;  // of sums of some ten float32 log-probabilities

class ScoreTest : public testing::Test {
 protected:
  const test::GoldenLibrary library_;
  const RoutedModel base_{test::golden_base("tiny_llama")};
  const RoutedModel oracle_ = library_.compose("oracle");
  const RoutedModel arrow_ = library_.compose("arrow");

  // From the logits of one full forward pass in float64.
  Score expected(const ScoreRequest& request) const {
    const Tokenizer& tokenizer = base_.base().tokenizer();
    const Encoding text = tokenizer.encode(request.prompt + request.completion);
    std::vector<std::int32_t> ids = text.ids;
    std::size_t begin = 0;
    while (text.spans[begin].end <= request.prompt.size()) ++begin;
    if (request.append_end_of_text) ids.push_back(base_.base().eos_id());
    if (begin == 0) {
      ids.insert(ids.begin(), base_.base().eos_id());
      begin = 1;
    }
    const std::string tasks[] = {request.task_name};
    const at::NoGradGuard no_gradients;
    const at::Tensor logits = base_.base().logits(request.model.forward(test::batch_of({ids}), tasks));
    const at::Tensor log_probability = at::log_softmax(logits.to(at::kDouble), 1);
    Score score{.greedy = true};
    for (std::size_t t = begin; t < ids.size(); ++t) {
      const at::Tensor row = log_probability[static_cast<std::int64_t>(t) - 1];
      const double value = row[ids[t]].item<double>();
      if (request.append_end_of_text && t + 1 == ids.size()) {
        score.end_logprob = value;
      } else {
        score.logprob += value;
        ++score.tokens;
        score.greedy = score.greedy && row.argmax().item<std::int64_t>() == ids[t];
      }
    }
    return score;
  }

  void expect_scores(const std::vector<ScoreRequest>& requests, const std::vector<Score>& scores) const {
    ASSERT_EQ(scores.size(), requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
      SCOPED_TRACE(i);
      const Score one = expected(requests[i]);
      EXPECT_NEAR(scores[i].logprob, one.logprob, kTolerance);
      EXPECT_NEAR(scores[i].end_logprob, one.end_logprob, kTolerance);
      EXPECT_EQ(scores[i].tokens, one.tokens);
      EXPECT_EQ(scores[i].greedy, one.greedy);
    }
  }
};

TEST_F(ScoreTest, AgreesWithAFullForwardPass) {
  const std::string question = "Question: which arrow flies far over the target?\nAnswer:";
  const std::vector<ScoreRequest> requests = {
      {oracle_, question, " this one", "task_0"},
      {oracle_, question, " the other one", "task_0"},  // shares the prompt
      {oracle_, question, " the", "task_0", true},
      {oracle_, question, " this one", "task_1"},  // another adapter
      {arrow_, question, " this one"},
      {arrow_, question, " this one", "", true},
      {base_, "", "no prompt"},
      {base_, "", "no arrow", "", true},
      {base_, "The arc", "her"},  // the border lies inside the token "cher"
      {base_, "The arc", "h"},    // these two prompts tokenize differently
      {base_, "a", "b"}};
  for (const std::int64_t budget : {1, 40, 4096}) {
    SCOPED_TRACE(budget);
    expect_scores(requests, score(requests, {.token_budget = budget}));
  }
}

TEST_F(ScoreTest, ASharedPromptGivesWhatSeparateCallsGive) {
  std::vector<ScoreRequest> requests;
  for (const std::string prompt : {"The archer's arrow", "One takes", "The archer's arrow"}) {
    for (const std::string completion : {" flew far", " f", " flew", "s", " is in the target"})
      requests.push_back({arrow_, prompt, completion});
  }
  const std::vector<Score> together = score(requests);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Score alone = score({&requests[i], 1}).front();
    EXPECT_NEAR(together[i].logprob, alone.logprob, kTolerance) << i;
    EXPECT_EQ(together[i].tokens, alone.tokens);
    EXPECT_EQ(together[i].greedy, alone.greedy);
  }
}

// As many texts as a budget of one text's tokens lets run at once show what is not run again.
TEST_F(ScoreTest, WhatAllPromptsOfAnAdapterBeginWithIsRunOnce) {
  const std::string question = "Question: which arrow flies far over the target that the archer is ";
  std::vector<ScoreRequest> requests;
  for (const std::string end : {"in", "at", "on", "over", "under"}) {
    const std::string prompt = question + end + "?\nAnswer:";
    for (const std::string completion : {" this one", " the other one"}) {
      requests.push_back({base_, prompt, completion});
      requests.push_back({arrow_, prompt, completion, "", true});
      requests.push_back({oracle_, prompt, completion, "task_0"});
    }
    requests.push_back({oracle_, "Alone, " + prompt, " this one", "task_1"});
    requests.push_back({oracle_, "Beside it, " + prompt, " this one", "task_1"});
  }
  const auto one_text = static_cast<std::int64_t>(
      base_.base().tokenizer().encode(requests[0].prompt + requests[0].completion).ids.size());
  std::size_t steps = 0;
  expect_scores(requests, score(requests, {.token_budget = one_text}, [&](std::size_t) { ++steps; }));
  EXPECT_LT(steps, requests.size() * 3 / 4);
  // Neighbours with one prompt share its rest as well.
  std::ranges::stable_sort(requests, {}, [](const ScoreRequest& request) {
    return std::pair(request.model.bind({}, request.task_name).adapter, request.prompt);
  });
  expect_scores(requests, score(requests));
}

// Every text has a cache of its own, so a long beginning fills them before the budget is run.
TEST_F(ScoreTest, CachesAreBoundedToo) {
  std::string beginning;
  for (int i = 0; i < 100; ++i) beginning += " arrow";
  std::vector<ScoreRequest> requests;
  for (int i = 0; i < 20; ++i)
    requests.push_back({base_, beginning + std::string(1, static_cast<char>('a' + i)), " far"});
  std::size_t steps = 0;
  expect_scores(requests, score(requests, {.token_budget = 100}, [&](std::size_t) { ++steps; }));
  EXPECT_GE(steps, 5u);  // at most 400 cached positions: three texts of more than 100
}

TEST_F(ScoreTest, GreedyIsTrueForWhatGreedyDecodingGives) {
  const std::string prompt = "The archer";
  const GenerationRequest request{arrow_, prompt};
  // The tiny model writes broken UTF-8; one token that is a whole text is enough.
  const RoutedModel& model = arrow_;
  for (std::int64_t length = 1; length <= 12; ++length) {
    const Generation generation = generate({&request, 1}, {.max_new_tokens = length}).front();
    const Encoding joint = model.base().tokenizer().encode(prompt + generation.text);
    const Encoding own = model.base().tokenizer().encode(prompt);
    std::vector<std::int32_t> ids = own.ids;
    ids.insert(ids.end(), generation.ids.begin(), generation.ids.end());
    if (joint.ids != ids) continue;
    const ScoreRequest scored{arrow_, prompt, generation.text};
    EXPECT_TRUE(score({&scored, 1}).front().greedy);
    const ScoreRequest worse{arrow_, prompt, generation.text + "zzz"};
    EXPECT_FALSE(score({&worse, 1}).front().greedy);
  }
}

TEST_F(ScoreTest, LongPromptsLoseTheirBeginning) {
  std::string prompt;
  for (int i = 0; i < 200; ++i) prompt += " arrow";
  const std::vector<ScoreRequest> cut = {{base_, prompt, " far"}};
  std::string kept;  // 10 tokens in all, " far" being " f", "ar"
  for (int i = 0; i < 8; ++i) kept += " arrow";
  const std::vector<ScoreRequest> whole = {{base_, kept, " far"}};
  EXPECT_NEAR(score(cut, {.max_input_length = 10}).front().logprob, expected(whole[0]).logprob, kTolerance);
  // The model's 128 positions limit it as well; the last token needs none.
  kept.clear();
  for (int i = 0; i < 127; ++i) kept += " arrow";
  const at::NoGradGuard no_gradients;
  std::vector<std::int32_t> ids = base_.base().tokenizer().encode(kept + " far").ids;
  ASSERT_EQ(ids.size(), 129u);
  const at::Tensor log_probability = at::log_softmax(
      base_.base().logits(base_.base().forward(test::batch_of({{ids.begin(), ids.end() - 1}}))), 1);
  const double sum = (log_probability[126][ids[127]] + log_probability[127][ids[128]]).item<double>();
  EXPECT_NEAR(score(cut).front().logprob, sum, kTolerance);
  const std::vector<ScoreRequest> endless = {{base_, "a", prompt}};
  EXPECT_EQ(score(endless).front().error->what(),
            std::string("a completion of 200 tokens does not fit in a text of 129 tokens"));
}

TEST_F(ScoreTest, ReportsProgressAndTakesNothing) {
  EXPECT_TRUE(score({}).empty());
  const std::vector<ScoreRequest> requests = {{base_, "a", "b"}, {base_, "c", "d"}, {base_, "c", "e"}};
  const auto steps = [&](std::int64_t token_budget) {
    std::vector<std::size_t> progress;
    score(requests, {.token_budget = token_budget}, [&](std::size_t done) { progress.push_back(done); });
    return progress;
  };
  EXPECT_EQ(steps(2),
            (std::vector<std::size_t>{1, 3}));  // one prompt's two completions, 2 tokens, run together
  EXPECT_EQ(steps(1),
            (std::vector<std::size_t>{1, 2, 3}));  // a text never is split, but a prompt's texts are
}

TEST_F(ScoreTest, RefusesWhatItCannotDo) {
  const RoutedModel other(test::golden_base("tiny_gpt_neo"));
  const std::vector<ScoreRequest> mixed = {{base_, "a", "b"}, {other, "a", "b"}};
  EXPECT_EQ(error_message([&] { score(mixed); }), "the requests of one call must share their base model");
}

TEST_F(ScoreTest, AFailedRequestCostsNoOther) {
  const std::vector<ScoreRequest> requests = {{base_, "a", ""},
                                              {base_, "The archer", " takes"},
                                              {oracle_, "a", "b", "task9"},
                                              {oracle_, "The archer", " takes", "task_1"}};
  std::size_t done = 0;
  const std::vector<Score> scores = score(requests, {}, [&](std::size_t count) { done = count; });
  EXPECT_EQ(done, 4u);
  EXPECT_EQ(scores[0].error->what(), std::string("a completion is empty, there is nothing to score"));
  EXPECT_EQ(scores[2].error->what(), std::string("no expert was trained on task 'task9'"));
  EXPECT_EQ(scores[2].error->kind(), ErrorKind::kNotFound);
  for (const std::size_t i : {1, 3}) {
    EXPECT_FALSE(scores[i].error);
    EXPECT_NEAR(scores[i].logprob, expected(requests[i]).logprob, kTolerance);
  }
}

TEST_F(ScoreTest, NumbersThatAreNotFiniteAreAnError) {
  const auto refused = [](const std::function<void(test::Weights&)>& edit) -> std::string {
    const RoutedModel model(test::changed_model(edit));
    const std::vector<ScoreRequest> requests = {{model, "The archer", " takes"}};
    const Score result = score(requests).front();
    EXPECT_EQ(result.logprob, 0);
    if (!result.error) return "nothing";
    EXPECT_EQ(result.error->kind(), ErrorKind::kNotFinite);
    return result.error->what();
  };
  EXPECT_NE(refused(test::overflow_keys).find("first in the output of 'model.layers.0.self_attn.k_proj'"),
            std::string::npos);
  // The logit of a token that was not asked for.
  EXPECT_NE(refused([](test::Weights& weights) {
              weights.at("model.norm.weight").mul_(1000);
              weights.at("lm_head.weight")[7].fill_(test::kLargest);
            }).find("first in the output head"),
            std::string::npos);
}

// The mean weights of a prompt's tokens are those that route() shows of it, whether it is run alone, once for
// several completions, or begun together with other prompts.
TEST_F(ScoreTest, RecordsTheRoutingOfPrompts) {
  const std::string beginning = "Of what is an arrow made, and where does it fly when it has been shot? ";
  std::vector<ScoreRequest> requests;
  for (const char* end : {"Say", "One answers", "Nobody"}) {
    for (const char* completion : {" wood and a feather", " far"})
      requests.push_back({arrow_, beginning + end, completion});
  }
  requests.push_back({arrow_, "An eel", " swims"});
  requests.push_back({oracle_, "An eel", " swims", "task_2"});
  requests.push_back({base_, "An eel", " swims"});
  const std::vector<Score> scores = score(requests, {.record_routing = true});
  for (std::size_t i = 0; i < 7; ++i) {
    SCOPED_TRACE(i);
    at::Tensor sum = at::zeros({4}, at::kDouble);
    const auto trace = arrow_.route(requests[i].prompt);
    for (const auto& [path, weights] : trace) sum += weights.to(at::kDouble).mean(0) / 6;
    ASSERT_EQ(trace.size(), 6u);
    ASSERT_EQ(scores[i].expert_weights.size(), 4u);
    for (std::size_t e = 0; e < 4; ++e)
      EXPECT_NEAR(scores[i].expert_weights[e], sum[static_cast<std::int64_t>(e)].item<double>(), 1e-5);
    const Score alone = score({&requests[i], 1}, {.record_routing = true})[0];
    for (std::size_t e = 0; e < 4; ++e)
      EXPECT_NEAR(alone.expert_weights[e], scores[i].expert_weights[e], 1e-5);
  }
  EXPECT_EQ(scores[7].expert_weights, (std::vector<double>{0, 0, 1, 0}));
  EXPECT_TRUE(scores[8].expert_weights.empty());
  const std::vector<Score> plain = score(requests);
  EXPECT_TRUE(plain[0].expert_weights.empty());
  EXPECT_EQ(plain[7].expert_weights, scores[7].expert_weights);
  for (std::size_t i = 0; i < requests.size(); ++i)
    EXPECT_NEAR(plain[i].logprob, scores[i].logprob, kTolerance);
}

}  // namespace
}  // namespace quiver
