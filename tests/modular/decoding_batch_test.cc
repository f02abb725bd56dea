#include <ATen/core/grad_mode.h>

#include <cmath>

#include "modular/routed_fixture.h"
#include "quiver/decoding.h"
#include "quiver/generation.h"

namespace quiver {
namespace {

using test::error_message;

// All events of one sequence as one.
struct Whole {
  std::string text;
  std::vector<std::int32_t> ids;
  std::vector<TokenRecord> tokens, prompt;
  std::vector<at::Tensor> routing;
  SequenceEvent last;
};

class DecodingBatchTest : public testing::Test {
 protected:
  const test::GoldenLibrary library_;
  const std::shared_ptr<const BaseModel> base_ = test::golden_base("tiny_llama");
  const RoutedModel alone_{base_};
  const RoutedModel arrow_ = library_.compose("arrow");
  const RoutedModel oracle_ = library_.compose("oracle");

  SequenceRequest request(const RoutedModel& model, const std::string& prompt,
                          std::int64_t tokens = 12) const {
    return {
        .model = model, .prompt = model.prompt_ids(prompt), .task_name = "task_1", .max_new_tokens = tokens};
  }

  static void step(DecodingBatch& batch, std::map<std::uint64_t, Whole>& results) {
    for (SequenceEvent& event : batch.step()) {
      Whole& whole = results[event.sequence];
      EXPECT_FALSE(whole.last.finish) << "an event after the last";
      whole.text += event.text;
      for (const TokenRecord& token : event.tokens) {
        whole.ids.push_back(token.id);
        whole.tokens.push_back(token);
      }
      whole.prompt.insert(whole.prompt.end(), event.prompt.begin(), event.prompt.end());
      if (event.routing.defined()) whole.routing.push_back(event.routing);
      whole.last = std::move(event);
    }
  }

  // Runs until all have ended.
  static std::map<std::uint64_t, Whole> finish(DecodingBatch& batch,
                                               std::map<std::uint64_t, Whole> results = {}) {
    while (!batch.is_empty()) step(batch, results);
    return results;
  }

  static Whole run(SequenceRequest request, DecodingOptions options = {}) {
    DecodingBatch batch(request.model.shared_base(), options);
    const std::uint64_t id = batch.add(std::move(request));
    return finish(batch).at(id);
  }
};

TEST_F(DecodingBatchTest, SequencesJoinAndLeaveBetweenSteps) {
  const Whole first = run(request(arrow_, "An arrow flew far")), second = run(request(oracle_, "The archer"));
  DecodingBatch batch(base_);
  std::map<std::uint64_t, Whole> results;
  const std::uint64_t one = batch.add(request(arrow_, "An arrow flew far"));
  step(batch, results);
  const std::uint64_t two = batch.add(request(oracle_, "The archer"));
  const std::uint64_t gone = batch.add(request(arrow_, "She takes one"));
  step(batch, results);
  batch.cancel(gone);
  results = finish(batch, std::move(results));
  EXPECT_EQ(results.at(one).ids, first.ids);
  EXPECT_EQ(results.at(one).text, first.text);
  EXPECT_EQ(results.at(two).ids, second.ids);
  EXPECT_EQ(results.at(two).text, second.text);
  EXPECT_FALSE(results[gone].last.finish);
  EXPECT_EQ(results.at(one).last.finish, FinishReason::kLength);
}

TEST_F(DecodingBatchTest, PromptsInSlicesGiveTheSameTokens) {
  const std::string prompt =
      "An arrow flew far over the target and the archer takes one more from the quiver";
  const Whole whole = run(request(arrow_, prompt));
  for (const std::int64_t slice : {1, 3, 8}) {
    const Whole sliced = run(request(arrow_, prompt), {.prompt_tokens = slice});
    EXPECT_EQ(sliced.ids, whole.ids) << slice;
    EXPECT_EQ(sliced.text, whole.text) << slice;
  }
}

TEST_F(DecodingBatchTest, TextIsWhatGenerateWrites) {
  for (const std::vector<std::string>& stop : {std::vector<std::string>{}, {"e"}, {"never", "ar"}}) {
    for (const RoutedModel& model : {alone_, arrow_, oracle_}) {
      SequenceRequest wanted = request(model, "The archer", 30);
      wanted.stop = stop;
      const GenerationRequest same{model, "The archer", "task_1"};
      const Generation generation = generate({&same, 1}, {.max_new_tokens = 30, .stop = stop}).front();
      const Whole whole = run(wanted);
      EXPECT_EQ(whole.text, generation.text);
      EXPECT_EQ(whole.ids, generation.ids);
    }
  }
}

TEST_F(DecodingBatchTest, RecordsAreLogSoftmaxes) {
  SequenceRequest wanted = request(arrow_, "An arrow flew far", 4);
  wanted.top_logprobs = 3;
  wanted.prompt_logprobs = true;
  for (const std::int64_t slice : {4096, 2}) {
    const Whole whole = run(wanted, {.prompt_tokens = slice});
    RaggedBatch batch;
    std::vector<std::int32_t> ids = wanted.prompt;
    ids.insert(ids.end(), whole.ids.begin(), whole.ids.end());
    batch.add(ids);
    const at::NoGradGuard no_gradients;
    const at::Tensor expected = at::log_softmax(base_->logits(arrow_.forward(batch)), 1);
    ASSERT_EQ(whole.prompt.size(), wanted.prompt.size());
    std::vector<TokenRecord> records = whole.prompt;
    records.insert(records.end(), whole.tokens.begin(), whole.tokens.end());
    for (std::size_t i = 1; i < records.size(); ++i) {
      const at::Tensor row = expected[static_cast<std::int64_t>(i) - 1];
      EXPECT_EQ(records[i].id, ids[i]);
      EXPECT_NEAR(records[i].logprob, row[ids[i]].item<double>(), 1e-4);
      ASSERT_EQ(records[i].top.size(), 3u);
      EXPECT_NEAR(records[i].top[0].logprob, row.max().item<double>(), 1e-4);
      EXPECT_GE(records[i].top[1].logprob, records[i].top[2].logprob);
    }
  }
}

TEST_F(DecodingBatchTest, RoutingHasARowForEveryTokenThatIsRun) {
  SequenceRequest wanted = request(arrow_, "An arrow flew far", 5);
  wanted.routing = RoutingRecord::kSlots;
  const Whole whole = run(wanted, {.prompt_tokens = 3});
  const at::Tensor rows = at::cat(whole.routing);
  const auto slots = arrow_.adapted_slots();
  EXPECT_EQ(rows.sizes(), (std::vector<std::int64_t>{static_cast<std::int64_t>(wanted.prompt.size()) + 4,
                                                     static_cast<std::int64_t>(slots.size()), 4}));
  // The prompt's are those of a record of its own.
  const std::map<std::string, at::Tensor> expected = arrow_.route("An arrow flew far");
  for (std::size_t s = 0; s < slots.size(); ++s) {
    const at::Tensor own = rows.select(1, static_cast<std::int64_t>(s)).slice(0, 0, wanted.prompt.size());
    EXPECT_TRUE(
        at::allclose(own, expected.at(base_->slots()[static_cast<std::size_t>(slots[s])].path), 1e-4, 1e-5));
  }
  EXPECT_TRUE(at::allclose(rows.sum(2), at::ones({rows.size(0), rows.size(1)})));
}

TEST_F(DecodingBatchTest, PenaltiesAndBiasesChangeWhatIsLikeliest) {
  const std::vector<std::int32_t> plain = run(request(alone_, "The archer", 1)).ids;
  SequenceRequest biased = request(alone_, "The archer", 6);
  biased.sampling.logit_bias = {{plain[0], -100}, {7, 100}};
  EXPECT_EQ(run(biased).ids, std::vector<std::int32_t>(6, 7));
  biased.sampling.frequency_penalty = 2;
  biased.sampling.presence_penalty = 2;
  biased.sampling.logit_bias = {{7, 20}, {9, 20}};
  // Each of the two loses 2 at once and 2 more each time, so that none stays ahead.
  const std::vector<std::int32_t> ids = run(biased).ids;
  EXPECT_GE(std::ranges::count(ids, 7), 2);
  EXPECT_GE(std::ranges::count(ids, 9), 2);
  EXPECT_EQ(std::ranges::count(ids, 7) + std::ranges::count(ids, 9), 6);
}

TEST_F(DecodingBatchTest, SamplesDependOnTheSeedAlone) {
  SequenceRequest sampled = request(arrow_, "The archer", 10);
  sampled.sampling = {.temperature = 2, .top_k = 50, .min_p = 0.001, .seed = 5};
  const std::vector<std::int32_t> ids = run(sampled).ids;
  DecodingBatch batch(base_);
  batch.add(request(alone_, "x"));
  const std::uint64_t id = batch.add(sampled);
  sampled.sampling.seed = 6;
  const std::uint64_t other = batch.add(sampled);
  std::map<std::uint64_t, Whole> results = finish(batch);
  EXPECT_EQ(results.at(id).ids, ids);
  EXPECT_NE(results.at(other).ids, ids);
  // The likeliest one alone.
  sampled.sampling = {.temperature = 2, .top_k = 1};
  EXPECT_EQ(run(sampled).ids, run(request(arrow_, "The archer", 10)).ids);
  sampled.sampling = {.temperature = 2, .min_p = 1};
  EXPECT_EQ(run(sampled).ids, run(request(arrow_, "The archer", 10)).ids);
}

TEST_F(DecodingBatchTest, StopIdsEndASequence) {
  const std::vector<std::int32_t> ids = run(request(alone_, "The archer")).ids;
  SequenceRequest stopped = request(alone_, "The archer");
  stopped.stop_ids = {ids[3]};
  const Whole whole = run(stopped);
  const auto first = std::find(ids.begin(), ids.end(), ids[3]);
  EXPECT_EQ(whole.ids, std::vector<std::int32_t>(ids.begin(), first));
  EXPECT_EQ(whole.last.finish, FinishReason::kStop);
}

TEST_F(DecodingBatchTest, NoNewTokensAreAPromptsRecords) {
  SequenceRequest wanted = request(alone_, "The archer", 0);
  wanted.prompt_logprobs = true;
  const Whole whole = run(wanted);
  EXPECT_EQ(whole.prompt.size(), wanted.prompt.size());
  EXPECT_TRUE(whole.ids.empty());
  EXPECT_EQ(whole.last.finish, FinishReason::kLength);
}

// A text of more than `pages` pages.
std::string long_prompt(const RoutedModel& model, std::int64_t pages) {
  std::string text;
  while (static_cast<std::int64_t>(model.prompt_ids(text).size()) <= pages * CachePool::kPositions + 3)
    text += "An arrow flew far. ";
  return text;
}

TEST_F(DecodingBatchTest, BeginningsAreReadOnceAndGiveTheSameTokens) {
  const std::string shared = long_prompt(arrow_, 2);
  const std::string prompts[] = {shared + "The archer", shared + "She", shared + "The archer"};
  for (const RoutedModel& model : {alone_, arrow_, oracle_}) {
    DecodingBatch batch(base_, {.max_sequences = 4, .cache_memory = 1 << 20});
    std::vector<std::uint64_t> ids;
    for (const std::string& prompt : prompts) ids.push_back(batch.add(request(model, prompt)));
    const std::map<std::uint64_t, Whole> results = finish(batch);
    EXPECT_EQ(results.at(ids[0]).last.cached_tokens, 0);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(results.at(ids[i]).ids, run(request(model, prompts[i])).ids) << i;
      if (i == 0) continue;
      EXPECT_GE(results.at(ids[i]).last.cached_tokens, 2 * CachePool::kPositions);
    }
    EXPECT_EQ(batch.stats().used_pages, 0);
    EXPECT_GT(batch.stats().kept_pages, 0);
    // After all have ended, too.
    const std::uint64_t later = batch.add(request(model, prompts[1]));
    EXPECT_GE(finish(batch).at(later).last.cached_tokens, 2 * CachePool::kPositions);
  }
}

// Experts that a server drops are gone, whatever was read under them.
TEST_F(DecodingBatchTest, KeptBeginningsHoldNoExperts) {
  DecodingBatch batch(base_, {.cache_memory = 1 << 20});
  std::weak_ptr<const void> expert;
  {
    const RoutedModel model = library_.compose("expert:expert_1");
    expert = model.bind({}).content.at(0).first;
    batch.add(request(model, long_prompt(model, 2)));
    finish(batch);
  }
  EXPECT_GT(batch.stats().kept_pages, 0);
  EXPECT_TRUE(expert.expired());
}

TEST_F(DecodingBatchTest, BeginningsOfOtherWeightsAreNotTaken) {
  const std::string prompt = long_prompt(arrow_, 2);
  DecodingBatch batch(base_, {.cache_memory = 1 << 20});
  const auto cached = [&](const SequenceRequest& wanted) {
    const std::uint64_t id = batch.add(wanted);
    const Whole whole = finish(batch).at(id);
    EXPECT_EQ(whole.ids, run(wanted).ids);
    return whole.last.cached_tokens;
  };
  EXPECT_EQ(cached(request(arrow_, prompt)), 0);
  EXPECT_EQ(cached(request(alone_, prompt)), 0);
  SequenceRequest task = request(oracle_, prompt);
  EXPECT_EQ(cached(task), 0);
  task.task_name = "task_2";
  EXPECT_EQ(cached(task), 0);
  // The same experts in another model of the same router: other objects, which may have changed on the disk.
  EXPECT_EQ(cached(request(library_.compose("arrow"), prompt)), 0);
  EXPECT_GT(cached(request(arrow_, prompt)), 0);
  EXPECT_GT(cached(task), 0);
}

TEST_F(DecodingBatchTest, AWaiterGoesOnWhenWhatItWaitsForIsCancelled) {
  const std::string prompt = long_prompt(arrow_, 3);
  DecodingBatch batch(base_, {.prompt_tokens = 8, .cache_memory = 1 << 20});
  const std::uint64_t first = batch.add(request(arrow_, prompt));
  batch.step();
  const std::uint64_t second = batch.add(request(arrow_, prompt));
  batch.step();
  batch.cancel(first);
  EXPECT_EQ(finish(batch).at(second).ids, run(request(arrow_, prompt)).ids);
}

TEST_F(DecodingBatchTest, CachesStayWithinTheirMemory) {
  const std::int64_t page = base_->make_cache_pool()->page_bytes();
  DecodingBatch batch(base_, {.max_sequences = 8, .cache_memory = 6 * page});
  std::map<std::uint64_t, std::string> wanted;
  std::vector<std::string> prompts;
  for (int i = 0; i < 12; ++i)
    prompts.push_back(std::string(1, static_cast<char>('a' + i)) + long_prompt(alone_, 1));
  std::map<std::uint64_t, Whole> results;
  for (const std::string& prompt : prompts) {
    const SequenceRequest one = request(alone_, prompt, 8);
    while (!batch.has_memory_for(one)) {
      ASSERT_FALSE(batch.is_empty());
      for (SequenceEvent& event : batch.step()) {
        for (const TokenRecord& token : event.tokens) results[event.sequence].ids.push_back(token.id);
      }
      EXPECT_LE(batch.stats().used_pages + batch.stats().kept_pages, 6);
    }
    wanted[batch.add(one)] = prompt;
  }
  for (auto& [id, whole] : finish(batch))
    results[id].ids.insert(results[id].ids.end(), whole.ids.begin(), whole.ids.end());
  for (const auto& [id, prompt] : wanted) EXPECT_EQ(results.at(id).ids, run(request(alone_, prompt, 8)).ids);
  const DecodingBatch small(base_, {.cache_memory = page});
  EXPECT_NE(error_message([&] { small.check(request(alone_, prompts[0], 8)); }).find("bytes of keys"),
            std::string::npos);
}

TEST_F(DecodingBatchTest, BadRequestsAreNamed) {
  DecodingBatch batch(base_);
  const auto refuse = [&](auto&& change) {
    SequenceRequest bad = request(alone_, "The archer");
    change(bad);
    return error_message([&] { batch.add(bad); });
  };
  EXPECT_NE(refuse([](auto& r) { r.prompt.clear(); }).find("no tokens"), std::string::npos);
  EXPECT_NE(refuse([](auto& r) { r.prompt = {-1}; }).find("token -1"), std::string::npos);
  EXPECT_NE(refuse([](auto& r) { r.max_new_tokens = 1 << 20; }).find("1048576"), std::string::npos);
  EXPECT_NE(refuse([](auto& r) { r.sampling.top_p = 0; }).find("top_p is 0"), std::string::npos);
  EXPECT_NE(refuse([](auto& r) { r.sampling.temperature = NAN; }).find("nan"), std::string::npos);
  EXPECT_NE(refuse([](auto& r) { r.sampling.min_p = 2; }).find("min_p is 2"), std::string::npos);
  EXPECT_NE(refuse([](auto& r) { r.sampling.top_k = -1; }).find("top_k is -1"), std::string::npos);
  EXPECT_NE(refuse([](auto& r) { r.sampling.presence_penalty = 3; }).find("presence_penalty is 3"),
            std::string::npos);
  EXPECT_NE(refuse([](auto& r) {
              r.sampling.logit_bias = {{1 << 30, 1}};
            }).find("1073741824"),
            std::string::npos);
  EXPECT_NE(refuse([](auto& r) { r.stop = {""}; }).find("empty"), std::string::npos);
  EXPECT_TRUE(batch.is_empty());
}

}  // namespace
}  // namespace quiver
