#include "quiver/engine.h"

#include <future>

#include "modular/routed_fixture.h"
#include "quiver/generation.h"

namespace quiver {
namespace {

using namespace std::chrono_literals;
using test::error_message;

// What a submission came to.
struct Outcome {
  std::string text;
  FinishReason finish;
  std::optional<Error> error;
};

class EngineTest : public testing::Test {
 protected:
  const test::GoldenLibrary library_;
  const std::shared_ptr<const BaseModel> base_ = test::golden_base("tiny_llama");
  const std::vector<RoutedModel> models_ = {RoutedModel(base_), library_.compose("arrow"),
                                            library_.compose("phatgoose"), library_.compose("uniform")};

  Engine::Submission submission(const RoutedModel& model, const std::string& prompt, std::int64_t tokens,
                                std::shared_ptr<std::promise<Outcome>> promise) const {
    auto text = std::make_shared<std::string>();
    return {.request = {.model = model, .prompt = model.prompt_ids(prompt), .max_new_tokens = tokens},
            .listener = [text, promise](SequenceEvent event) {
              *text += event.text;
              if (event.finish) promise->set_value({*text, *event.finish, event.error});
            }};
  }

  std::future<Outcome> submit(Engine& engine, const RoutedModel& model, const std::string& prompt,
                              std::int64_t tokens) const {
    auto promise = std::make_shared<std::promise<Outcome>>();
    std::future<Outcome> future = promise->get_future();
    engine.submit(submission(model, prompt, tokens, promise));
    return future;
  }

  static Outcome get(std::future<Outcome> future) {
    if (future.wait_for(60s) != std::future_status::ready)
      throw std::runtime_error("no event within a minute");
    return future.get();
  }
};

TEST_F(EngineTest, ManyThreadsGetWhatGenerateWrites) {
  Engine engine(base_, {.decoding = {.max_sequences = 3, .prompt_tokens = 8}});
  const std::string prompts[] = {"The archer", "An arrow flew far over the target", "x"};
  std::vector<std::future<Outcome>> outcomes(24);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < outcomes.size(); i += 4)
        outcomes[i] = submit(engine, models_[i % 4], prompts[i % 3], 15);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const GenerationRequest same{models_[i % 4], prompts[i % 3]};
    EXPECT_EQ(get(std::move(outcomes[i])).text, generate({&same, 1}, {.max_new_tokens = 15}).front().text)
        << i;
  }
}

TEST_F(EngineTest, TellsWhenTheWaitIsOver) {
  Engine engine(base_, {.decoding = {.max_sequences = 1}});
  std::vector<std::string> told;  // the engine's thread alone, until it is done
  std::vector<std::future<Outcome>> outcomes;
  for (const std::string name : {"a", "b"}) {
    auto promise = std::make_shared<std::promise<Outcome>>();
    outcomes.push_back(promise->get_future());
    Engine::Submission one = submission(models_[0], "x", 3, promise);
    one.request.ignore_stop_tokens = true;
    one.listener = [&told, name, listener = one.listener](SequenceEvent event) {
      if (event.finish) told.push_back(name + " ended");
      listener(std::move(event));
    };
    one.admitted = [&told, name] { told.push_back(name + " begun"); };
    engine.submit(std::move(one));
  }
  for (std::future<Outcome>& outcome : outcomes) get(std::move(outcome));
  EXPECT_EQ(told, (std::vector<std::string>{"a begun", "a ended", "b begun", "b ended"}));
}

TEST_F(EngineTest, CancelledAndLateOnesEnd) {
  Engine engine(base_, {.decoding = {.max_sequences = 1}});
  auto first = std::make_shared<std::promise<Outcome>>(), second = std::make_shared<std::promise<Outcome>>();
  Engine::Submission endless = submission(models_[0], "x", 100, first);
  endless.request.ignore_stop_tokens = true;
  // Cancelled by its listener at its first text, long before its last token.
  endless.listener = [&engine, listener = endless.listener](SequenceEvent event) {
    if (!event.finish) engine.cancel(event.sequence);
    listener(std::move(event));
  };
  engine.submit(std::move(endless));
  // It waits for the only place, and its time is over.
  Engine::Submission late = submission(models_[0], "x", 10, second);
  late.deadline = std::chrono::steady_clock::now() - 1s;
  engine.submit(std::move(late));
  const Outcome of_late = get(second->get_future());
  EXPECT_EQ(of_late.finish, FinishReason::kCancelled);
  ASSERT_TRUE(of_late.error);
  EXPECT_NE(std::string(of_late.error->what()).find("deadline"), std::string::npos);
  engine.cancel(12345);
  EXPECT_EQ(get(first->get_future()).finish, FinishReason::kCancelled);
  EXPECT_EQ(get(submit(engine, models_[1], "The archer", 3)).finish, FinishReason::kLength);
}

TEST_F(EngineTest, AFullQueueIsBusy) {
  Engine engine(base_, {.decoding = {.max_sequences = 1}, .max_queue = 2});
  std::vector<std::future<Outcome>> taken;
  std::string message;
  try {
    for (int i = 0; i < 50; ++i) taken.push_back(submit(engine, models_[1], "The archer", 100));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBusy);
    message = error.what();
  }
  EXPECT_NE(message.find("wait already"), std::string::npos) << message;
  EXPECT_GE(taken.size(), 3u);
  for (std::future<Outcome>& one : taken) EXPECT_FALSE(get(std::move(one)).error);
}

TEST_F(EngineTest, DrainingTakesNoMoreAndFinishesTheRest) {
  Engine engine(base_);
  std::future<Outcome> outcome = submit(engine, models_[1], "The archer", 20);
  engine.drain(std::chrono::steady_clock::now() + 60s);
  EXPECT_EQ(outcome.wait_for(0s), std::future_status::ready);
  EXPECT_EQ(outcome.get().finish, FinishReason::kLength);
  EXPECT_NE(error_message([&] { submit(engine, models_[1], "The archer", 20); }).find("being stopped"),
            std::string::npos);
}

TEST_F(EngineTest, WhatDrainingHasNoTimeForIsCancelled) {
  Engine engine(base_, {.decoding = {.max_sequences = 1}});
  std::vector<std::future<Outcome>> outcomes;
  for (int i = 0; i < 20; ++i) outcomes.push_back(submit(engine, models_[1], "The archer", 100));
  engine.drain(std::chrono::steady_clock::now());
  int cancelled = 0;
  for (std::future<Outcome>& one : outcomes)
    cancelled += get(std::move(one)).finish == FinishReason::kCancelled ? 1 : 0;
  EXPECT_GT(cancelled, 0);
}

TEST_F(EngineTest, ClientsTakeTurns) {
  Engine engine(base_, {.decoding = {.max_sequences = 1}});
  std::mutex mutex;
  std::vector<std::string> ended;
  std::vector<std::future<Outcome>> outcomes;
  const auto submit_as = [&](const std::string& client) {
    auto promise = std::make_shared<std::promise<Outcome>>();
    outcomes.push_back(promise->get_future());
    Engine::Submission one = submission(models_[0], "x", 30, promise);
    one.client = client;
    one.listener = [&, client, listener = one.listener](SequenceEvent event) {
      if (event.finish) {
        const std::scoped_lock lock(mutex);
        ended.push_back(client);
      }
      listener(std::move(event));
    };
    engine.submit(std::move(one));
  };
  for (int i = 0; i < 10; ++i) submit_as("many");
  submit_as("one");
  for (std::future<Outcome>& one : outcomes) get(std::move(one));
  // Not behind all those that came before it.
  EXPECT_NE(ended.back(), "one");
}

TEST_F(EngineTest, AFailureIsTheRequestsOwn) {
  Engine engine(base_);
  const RoutedModel oracle = library_.compose("oracle");
  const Outcome outcome = get(submit(engine, oracle, "The archer", 5));  // no task
  EXPECT_EQ(outcome.finish, FinishReason::kFailed);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind(), ErrorKind::kNotFound);
  EXPECT_NE(error_message([&] { submit(engine, models_[0], "x", -1); }).find("-1"), std::string::npos);
}

}  // namespace
}  // namespace quiver
