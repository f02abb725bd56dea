// A prompt that the base reads in steps, beside the same prompt read at once.
#include "modular/prompt_run.h"

#include <ATen/core/grad_mode.h>

#include "support/golden.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::batch_of;
using test::max_difference;

class PromptRunTest : public testing::Test {
 protected:
  at::Tensor state(std::int64_t layer) const {
    const at::NoGradGuard no_gradients;
    const std::int64_t layers[] = {layer};
    return base_->hidden_states(batch_of({ids_}), layers)[0];
  }

  // What the model says behind the prompt and one token more.
  at::Tensor next(SequenceCache& cache) const {
    const at::NoGradGuard no_gradients;
    SequenceCache* const caches[] = {&cache};
    return base_->forward(batch_of({{9}}), nullptr, caches);
  }

  const std::shared_ptr<const BaseModel> base_ = test::golden_base("tiny_llama");
  const std::int64_t layers_ = base_->shape().layers;
  // More than a page of keys and values.
  const std::vector<std::int32_t> ids_ = [] {
    std::vector<std::int32_t> ids;
    for (std::int32_t i = 0; i < 45; ++i) ids.push_back(5 + (7 * i) % 90);
    return ids;
  }();
};

TEST_F(PromptRunTest, EveryLookSeesTheSameStatesAsARunOfItsOwn) {
  PromptRun run(*base_, ids_, "task_1");
  EXPECT_EQ(run.read({}).task, "task_1");
  for (const std::int64_t layer : {std::int64_t{0}, std::int64_t{1}, layers_, std::int64_t{1}}) {
    const SequenceInput& input = run.read({.layers = {layer}});
    EXPECT_LT(max_difference(input.states.at(layer), state(layer)), 1e-6) << layer;
    EXPECT_EQ(input.task, "task_1");
  }
  EXPECT_FALSE(run.finish().has_value());  // without pages nothing was kept
}

TEST_F(PromptRunTest, WhatIsNeededLaterIsKeptOnTheWay) {
  PromptRun run(*base_, ids_, "");
  const SequenceInput& input = run.read({.layers = {1}}, {.layers = {0, layers_}});
  EXPECT_LT(max_difference(input.states.at(0), state(0)), 1e-6);
  EXPECT_FALSE(input.states.contains(layers_));
}

TEST_F(PromptRunTest, SlotsBehindTheRunAreReadByRunningAgain) {
  PromptRun once(*base_, ids_, ""), late(*base_, ids_, "");
  const at::Tensor wanted = once.read({.slots = {0}}).slot_inputs.at(0);
  late.read({.layers = {layers_}});
  EXPECT_TRUE(at::equal(late.read({.slots = {0}}).slot_inputs.at(0), wanted));
}

TEST_F(PromptRunTest, AFinishedRunIsThePromptsCache) {
  const std::shared_ptr<CachePool> pool = base_->make_cache_pool();
  SequenceCache whole = base_->make_cache(64, pool);
  SequenceCache* const caches[] = {&whole};
  {
    const at::NoGradGuard no_gradients;
    base_->forward(batch_of({ids_}), nullptr, caches);
  }
  const at::Tensor expected = next(whole);
  for (const std::int64_t layer : {std::int64_t{1}, layers_}) {
    PromptRun run(*base_, ids_, "", pool, 64);
    run.read({.layers = {layer}});
    std::optional<SequenceCache> cache = run.finish();
    ASSERT_TRUE(cache.has_value());
    EXPECT_EQ(cache->length(), 45);
    EXPECT_LT(max_difference(next(*cache), expected), 1e-5) << layer;
  }
  PromptRun nothing_ran(*base_, ids_, "", pool, 64);
  nothing_ran.read({.layers = {0}});
  EXPECT_FALSE(nothing_ran.finish().has_value());
}

}  // namespace
}  // namespace quiver
