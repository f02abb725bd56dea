#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <future>
#include <set>
#include <stdexcept>
#include <thread>

#include "core/files.h"
#include "quiver/training.h"
#include "support/damaged_model.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::error_message;
using test::golden_base;
using test::max_difference;

struct Crash : std::runtime_error {
  Crash() : std::runtime_error("crash") {}
};

// Nine training and three validation examples on the tiny model.
class TrainExpertTest : public testing::Test {
 protected:
  TaskDataset data(const std::string& first_answer = "far") {
    std::string rows;
    const char* targets[] = {"an arrow",      "the target", "a quiver", "far",
                             "she takes one", "Question",   "wind",     "two"};
    for (int i = 0; i < 12; ++i) {
      const std::string target = i == 0 ? first_answer : targets[i % 8];
      rows += dump_json({{"source", "Question " + std::to_string(i * i) + ": what flies?\nAnswer:"},
                         {"target", target},
                         {"task_name", "flight"},
                         {"split", i < 9 ? "train" : "validation"}}) +
              "\n";
    }
    write_file_atomic(scratch_ / "rows.jsonl", rows);
    return TaskDataset::load({.path = (scratch_ / "rows.jsonl").string()});
  }

  TrainingOptions options() const {
    TrainingOptions result;
    result.lora = {.rank = 2,
                   .alpha = 4,
                   .dropout = 0.2,
                   .modify_modules = ".*self_attn",
                   .modify_layers = "q_proj|v_proj"};
    result.learning_rate = 0.02;
    result.total_steps = 8;
    result.checkpoint = scratch_ / "run.checkpoint";
    return result;
  }

  Expert train(const TrainingOptions& chosen, const TrainingObserver& observer = {}) {
    return train_expert(*golden_base("tiny_llama"), "flight", data(), chosen, observer);
  }

  // Trains until the observer throws after `steps` steps.
  void crash_after(std::int64_t steps, const TrainingOptions& chosen) {
    EXPECT_THROW(train(chosen,
                       [&](const TrainingStep& step) {
                         if (step.step == steps) throw Crash();
                       }),
                 Crash);
  }

  test::ScratchDirectory scratch_;
};

void expect_equal_weights(const Expert& left, const Expert& right) {
  EXPECT_EQ(expert_digest(left), expert_digest(right));
}

TEST_F(TrainExpertTest, RecordsWhatItDid) {
  std::vector<TrainingStep> steps;
  const Expert expert = train(options(), [&](const TrainingStep& step) { steps.push_back(step); });
  EXPECT_EQ(expert.info.name, "flight");
  EXPECT_EQ(expert.info.tasks, std::vector<std::string>{"flight"});
  EXPECT_EQ(expert.info.base_fingerprint, golden_base("tiny_llama")->fingerprint());
  EXPECT_EQ(expert.modules.size(), 4u);
  EXPECT_EQ(expert.modules.at("model.layers.0.self_attn.q_proj").scale, 2.0);
  EXPECT_TRUE(expert.modules.at("model.layers.0.self_attn.q_proj").b.any().item<bool>());
  ASSERT_EQ(steps.size(), 8u);
  EXPECT_EQ(steps[3].step, 4);
  EXPECT_EQ(steps[3].total, 8);
  EXPECT_FALSE(steps[6].validation_loss);
  ASSERT_TRUE(steps[7].validation_loss);  // always after the last
  EXPECT_EQ(expert.info.metrics.at("steps"), 8);
  EXPECT_EQ(expert.info.metrics.at("first_loss"), steps[0].loss);
  EXPECT_EQ(expert.info.metrics.at("last_loss"), steps[7].loss);
  EXPECT_EQ(expert.info.metrics.at("validation_loss"), *steps[7].validation_loss);
  EXPECT_EQ(expert.info.training.at("seed"), 42);
  EXPECT_FALSE(std::filesystem::exists(options().checkpoint));  // nothing asked for one
}

// tiny_llama's tokenizer puts nothing before a text. There the record is 0.1.0's, and its checkpoints go on.
TEST_F(TrainExpertTest, RecordsBeginOfText) {
  TrainingOptions chosen = options();
  chosen.total_steps = 1;
  const Expert plain = train(chosen);
  EXPECT_FALSE(plain.info.training.contains("bos"));
  std::int64_t plain_tokens = 0, tokens = 0;
  chosen.bos = BeginOfText::kNever;
  const Expert without = train(chosen, [&](const TrainingStep& step) { plain_tokens += step.tokens; });
  EXPECT_EQ(without.info.training.at("bos"), "never");
  expect_equal_weights(without, plain);
  chosen.bos = BeginOfText::kAlways;
  const Expert with = train(chosen, [&](const TrainingStep& step) { tokens += step.tokens; });
  EXPECT_EQ(with.info.training.at("bos"), "always");
  EXPECT_EQ(tokens, plain_tokens + chosen.batch_size);  // one token more an example
  EXPECT_NE(expert_digest(with), expert_digest(plain));
}

TEST_F(TrainExpertTest, TheLossFalls) {
  TrainingOptions chosen = options();
  chosen.total_steps = 60;
  chosen.lora.dropout = 0;
  const Expert expert = train(chosen);
  EXPECT_LT(expert.info.metrics.at("last_loss").get<double>(),
            0.7 * expert.info.metrics.at("first_loss").get<double>());
}

TEST_F(TrainExpertTest, TheSeedDecides) {
  const Expert first = train(options());
  expect_equal_weights(train(options()), first);
  TrainingOptions other = options();
  other.seed = 43;
  EXPECT_NE(expert_digest(train(other)), expert_digest(first));
}

// Drawn by hand from the seed that `printf 42/flight | sha256sum` begins with.
TEST_F(TrainExpertTest, SeedAndNameDecideTheStart) {
  TrainingOptions chosen = options();
  chosen.learning_rate = 0;  // what comes out is the start
  chosen.total_steps = 1;
  const std::string first = "model.layers.0.self_attn.q_proj";  // (2, 32)
  const auto drawn = [](std::uint64_t seed) {
    const double bound = 1 / std::sqrt(3.0 * 32);
    return at::empty({2, 32}).uniform_(-bound, bound, at::detail::createCPUGenerator(seed));
  };
  const Expert own = train(chosen);
  EXPECT_TRUE(at::equal(own.modules.at(first).a, drawn(0x9cd2ad3f)));
  EXPECT_EQ(own.info.training.at("shared_start"), false);
  const Expert other = train_expert(*golden_base("tiny_llama"), "other", data(), chosen);
  EXPECT_TRUE(at::equal(other.modules.at(first).a, drawn(0x20961271)));

  chosen.shared_start = true;
  const Expert shared = train(chosen);
  EXPECT_TRUE(at::equal(shared.modules.at(first).a, drawn(42)));
  EXPECT_EQ(shared.info.training.at("shared_start"), true);
  expect_equal_weights(train_expert(*golden_base("tiny_llama"), "other", data(), chosen), shared);
}

TEST_F(TrainExpertTest, ACheckpointOfASharedStartGoesOnAsItBegan) {
  TrainingOptions chosen = options();
  chosen.frozen = ".*lora_a";  // so that the start is in no checkpoint
  chosen.shared_start = true;
  const Expert whole = train(chosen);
  chosen.checkpoint_every = 3;
  crash_after(4, chosen);
  chosen.shared_start = false;
  chosen.resume = true;
  const Expert resumed = train(chosen);
  expect_equal_weights(resumed, whole);
  EXPECT_FALSE(resumed.info.training.contains("shared_start"));  // as in 0.1.0
  chosen.resume = false;
  EXPECT_NE(expert_digest(train(chosen)), expert_digest(whole));
}

TEST_F(TrainExpertTest, RecordsWhatIsTied) {
  TrainingOptions chosen = options();
  EXPECT_FALSE(train(chosen).info.training.contains("tie_params"));
  chosen.tied = "q_proj.lora_a|v_proj.lora_a";
  const Expert expert = train(chosen);
  EXPECT_EQ(expert.info.training.at("tie_params"), *chosen.tied);
  for (const std::string layer : {"model.layers.0.self_attn.", "model.layers.1.self_attn."})
    EXPECT_TRUE(at::equal(expert.modules.at(layer + "q_proj").a, expert.modules.at(layer + "v_proj").a));
  // The tie outlives the file.
  save_expert(expert, scratch_ / "saved");
  expect_equal_weights(load_expert(scratch_ / "saved"), expert);
}

// Steps 3 and 6 leave checkpoints; epochs are three steps long, so order and dropout go on inside an epoch
// and at its border.
TEST_F(TrainExpertTest, AResumedRunEndsAsAnUninterruptedOne) {
  const std::pair<Keep, Optimizer> kinds[] = {{Keep::kBest, Optimizer::kAdamW},
                                              {Keep::kLast, Optimizer::kSgd}};
  for (const auto& [keep, optimizer] : kinds) {
    TrainingOptions chosen = options();
    chosen.keep = keep;
    chosen.optimizer = optimizer;
    const Expert whole = train(chosen);
    for (const std::int64_t every : {2, 3}) {
      for (const std::int64_t crash : {1, 3, 5, 6, 7}) {
        SCOPED_TRACE(testing::Message() << "every " << every << ", crash after " << crash);
        TrainingOptions stopped = chosen;
        std::filesystem::remove(stopped.checkpoint);
        stopped.checkpoint_every = every;
        crash_after(crash, stopped);
        EXPECT_EQ(std::filesystem::exists(stopped.checkpoint), crash >= every);
        stopped.resume = true;
        std::int64_t first = 0;
        const Expert resumed = train(stopped, [&](const TrainingStep& step) {
          if (first == 0) first = step.step;
        });
        EXPECT_EQ(first, crash / every * every + 1);
        expect_equal_weights(resumed, whole);
        EXPECT_EQ(resumed.info.metrics.at("first_loss"), whole.info.metrics.at("first_loss"));
        EXPECT_EQ(resumed.info.metrics.at("tokens"), whole.info.metrics.at("tokens"));
      }
    }
  }
}

TEST_F(TrainExpertTest, ACheckpointOfAnotherRunIsStale) {
  TrainingOptions chosen = options();
  chosen.checkpoint_every = 2;
  crash_after(3, chosen);
  chosen.resume = true;
  const std::string expected = chosen.checkpoint.string() +
                               " is a checkpoint of a run with other settings or data | remove it, or train "
                               "without --resume";
  TrainingOptions other = chosen;
  other.learning_rate = 0.01;
  EXPECT_EQ(error_message([&] { train(other); }), expected);
  other = chosen;
  other.frozen = ".*lora_a";
  EXPECT_EQ(error_message([&] { train(other); }), expected);
  EXPECT_EQ(
      error_message([&] { train_expert(*golden_base("tiny_llama"), "flight", data("elsewhere"), chosen); }),
      expected);
  EXPECT_EQ(error_message([&] { train_expert(*golden_base("tiny_llama"), "other", data(), chosen); }),
            expected);
  chosen.resume = false;  // starts anew and does not look at it
  EXPECT_NO_THROW(train(chosen));
}

// Its weights differ by up to a 254th of their block's largest, the losses by about as little.
TEST_F(TrainExpertTest, ABaseInEightBitsLearnsAsWell) {
  const auto losses_on = [&](Precision precision) {
    const auto base = BaseModel::load(test::golden_path("tiny_llama"), {.precision = precision});
    std::vector<double> losses;
    train_expert(*base, "flight", data(), options(),
                 [&](const TrainingStep& step) { losses.push_back(step.loss); });
    return losses;
  };
  const std::vector<double> whole = losses_on(Precision::kFloat32), rounded = losses_on(Precision::kQ8);
  ASSERT_EQ(rounded.size(), whole.size());
  EXPECT_LT(rounded.back(), rounded.front() - 0.2);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_NE(rounded[i], whole[i]);
    EXPECT_NEAR(rounded[i], whole[i], 0.05 * whole[i]) << i;
  }
}

TEST_F(TrainExpertTest, ABrokenCheckpointIsNamed) {
  TrainingOptions chosen = options();
  chosen.resume = true;
  for (const std::string& content :
       {std::string(), std::string("not a checkpoint"), std::string(4096, '\0')}) {
    write_file_atomic(chosen.checkpoint, content);
    EXPECT_NE(error_message([&] { train(chosen); }).find("run.checkpoint"), std::string::npos);
  }
}

TEST_F(TrainExpertTest, TheTokenBudgetHardlyMatters) {
  TrainingOptions chosen = options();
  chosen.lora.dropout = 0;  // masks are drawn per micro-batch
  const Expert whole = train(chosen);
  chosen.token_budget = 1;
  const Expert pieces = train(chosen);
  for (const auto& [path, weights] : whole.modules) {
    // Adam divides by the root of tiny squares at first, which enlarges rounding.
    EXPECT_LT(max_difference(weights.a, pieces.modules.at(path).a), 1e-4) << path;
    EXPECT_LT(max_difference(weights.b, pieces.modules.at(path).b), 1e-4) << path;
  }
}

TEST_F(TrainExpertTest, KeepsTheBestWeights) {
  TrainingOptions chosen = options();
  chosen.lora.dropout = 0;
  chosen.learning_rate = 0.3;  // so high that the last weights are not the best ones
  chosen.clip_norm = 0;
  chosen.schedule = Schedule::kWarmup;
  chosen.warmup_proportion = 0;
  chosen.warmup_steps = 0;
  chosen.evaluate_every = 1;
  chosen.total_steps = 12;
  chosen.keep = Keep::kBest;
  std::map<std::int64_t, double> losses;
  const Expert best =
      train(chosen, [&](const TrainingStep& step) { losses[step.step] = *step.validation_loss; });
  const auto lowest = std::min_element(losses.begin(), losses.end(), [](const auto& left, const auto& right) {
    return left.second < right.second;
  });
  ASSERT_EQ(losses.size(), 12u);
  ASSERT_NE(lowest->first, 12) << "the last step is the best: the test proves nothing";
  EXPECT_EQ(best.info.metrics.at("best_step"), lowest->first);
  EXPECT_EQ(best.info.metrics.at("validation_loss"), lowest->second);
  // A run of constant rate that ends there has the same weights.
  chosen.keep = Keep::kLast;
  chosen.total_steps = lowest->first;
  expect_equal_weights(train(chosen), best);
}

TEST_F(TrainExpertTest, RefusesWhatItCannotTrain) {
  TrainingOptions chosen = options();
  chosen.total_steps = -1;
  EXPECT_EQ(error_message([&] { train(chosen); }), "training needs num_train_epochs or total_steps");
  chosen = options();
  chosen.max_input_length = 3;  // right truncation leaves no answer
  EXPECT_NE(
      error_message([&] { train(chosen); }).find("there is no training example with a target for 'flight'"),
      std::string::npos);
  chosen = options();
  chosen.learning_rate = 1e30;
  chosen.clip_norm = 0;
  chosen.warmup_proportion = 0;
  EXPECT_NE(error_message([&] { train(chosen); }).find("training diverged at step"), std::string::npos);
  chosen = options();
  chosen.keep = Keep::kBest;
  write_file_atomic(scratch_ / "train_only.jsonl",
                    R"({"source": "a", "target": "b", "task_name": "t", "split": "train"})");
  const TaskDataset train_only = TaskDataset::load({.path = (scratch_ / "train_only.jsonl").string()});
  EXPECT_EQ(error_message([&] { train_expert(*golden_base("tiny_llama"), "t", train_only, chosen); }),
            "keep=best needs a validation split, and the data has none");
}

TEST_F(TrainExpertTest, ABaseThatIsNotFiniteIsBlamedAndNotTheSettings) {
  const std::shared_ptr<const BaseModel> base = test::changed_model(test::overflow_keys);
  const std::string message = error_message([&] { train_expert(*base, "flight", data(), options()); });
  EXPECT_NE(message.find("for the example that begins 'Question"), std::string::npos) << message;
  EXPECT_NE(message.find("the base model " + base->name() +
                         " gives numbers that are not finite (NaN or infinity), first in the output of "
                         "'model.layers.0.self_attn.k_proj' | its weights hold such numbers, or overflow"),
            std::string::npos)
      << message;
  // The adapter as it begins, before any step: the learning rate has no part in it.
  TrainingOptions chosen = options();
  chosen.lora.init_b_random = true;
  chosen.lora.alpha = 1e39;
  const std::string adapter = error_message([&] { train(chosen); });
  EXPECT_NE(adapter.find("with its adapter gives numbers that are not finite"), std::string::npos) << adapter;
  EXPECT_EQ(adapter.find("learning_rate"), std::string::npos) << adapter;
}

TEST_F(TrainExpertTest, ACheckpointThatIsNotFiniteIsRefusedByName) {
  TrainingOptions chosen = options();
  chosen.checkpoint_every = 2;
  crash_after(4, chosen);
  chosen.resume = true;
  for (const std::string broken : {"parameters", "second_moment"}) {
    const SafetensorsFile file = SafetensorsFile::open(chosen.checkpoint);
    std::map<std::string, at::Tensor> tensors;
    for (const std::string& name : file.names()) tensors[name] = file.read(name);
    const at::Tensor kept = tensors.at(broken).clone();
    tensors.at(broken)[1] = NAN;
    write_safetensors(chosen.checkpoint, tensors, file.metadata());
    EXPECT_EQ(
        error_message([&] { train(chosen); }),
        chosen.checkpoint.string() + ": '" + broken +
            "' holds numbers that are not finite | the run had diverged, or the file is damaged: remove it "
            "and train anew");
    tensors[broken] = kept;
    write_safetensors(chosen.checkpoint, tensors, file.metadata());
  }
  EXPECT_EQ(train(chosen).info.metrics.at("steps"), 8);
}

TEST_F(TrainExpertTest, SeveralAtOnceAreTheSameAsEachAlone) {
  std::vector<ExpertTraining> trainings;
  for (const std::uint64_t seed : {1, 2, 3}) {
    TrainingOptions chosen = options();
    chosen.seed = seed;
    trainings.push_back({"flight " + std::to_string(seed), data(), chosen});
  }
  std::map<std::string, Expert> trained;
  std::map<std::size_t, std::int64_t> steps;
  train_experts(
      *golden_base("tiny_llama"), trainings, {.at_once = 3},
      [&](std::size_t number, const Expert& expert) {
        EXPECT_EQ(expert.info.name, trainings[number].name);
        trained[expert.info.name] = expert;
      },
      [&](std::size_t number, const TrainingStep&) { ++steps[number]; });
  ASSERT_EQ(trained.size(), 3u);
  const int threads = at::get_num_threads();
  at::set_num_threads(std::max(1, threads / 3));  // as many as each had: the same bits
  for (std::size_t i = 0; i < trainings.size(); ++i) {
    const ExpertTraining& training = trainings[i];
    const Expert alone =
        train_expert(*golden_base("tiny_llama"), training.name, training.data, training.options);
    expect_equal_weights(trained.at(training.name), alone);
    EXPECT_EQ(steps[i], alone.info.metrics.at("steps"));
  }
  at::set_num_threads(threads);
}

TEST_F(TrainExpertTest, OneIsStoppedWhileAnotherGoesOn) {
  const Expert whole = train(options());
  TrainingOptions stopped = options();
  std::stop_source stop;
  stopped.stop = stop.get_token();
  std::promise<void> has_begun;
  Expert other;
  std::jthread beside([&] {
    other = train(options(), [&, told = false](const TrainingStep&) mutable {
      if (!std::exchange(told, true)) has_begun.set_value();
    });
  });
  has_begun.get_future().wait();
  const std::string message = error_message([&] {
    train(stopped, [&](const TrainingStep& step) {
      if (step.step == 3) stop.request_stop();
    });
  });
  beside.join();
  EXPECT_EQ(message, "interrupted after step 3 of 8; kept in " + stopped.checkpoint.string() +
                         " | --resume goes on from there");
  expect_equal_weights(other, whole);
  // What was stopped goes on where it was.
  stopped.stop = {};
  stopped.resume = true;
  expect_equal_weights(train(stopped), whole);
}

TEST_F(TrainExpertTest, OneTokenStopsSeveral) {
  std::stop_source stop;
  TrainingOptions chosen = options();
  chosen.checkpoint.clear();
  chosen.stop = stop.get_token();
  const std::vector<ExpertTraining> trainings(3, {"flight", data(), chosen});
  std::size_t trained = 0;
  std::int64_t most = 0;
  EXPECT_EQ(error_message([&] {
              train_experts(
                  *golden_base("tiny_llama"), trainings, {.at_once = 1},
                  [&](std::size_t, const Expert&) { ++trained; },
                  [&](std::size_t number, const TrainingStep& step) {
                    most = std::max(most, step.step);
                    if (number == 1 && step.step == 2) stop.request_stop();
                  });
            }),
            "interrupted after step 2 of 8");
  EXPECT_EQ(trained, 1u);
  EXPECT_EQ(most, 8);
}

int threads_of_a_new_thread() {
  int threads = 0;
  std::jthread([&] { threads = at::get_num_threads(); }).join();
  return threads;
}

TEST_F(TrainExpertTest, TrainingsTogetherLeaveTheThreadsOfOthersAlone) {
  const int threads = at::get_num_threads();
  at::set_num_threads(6);
  const std::vector<ExpertTraining> trainings(3, {"flight", data(), options()});
  for (const int asked : {0, 9}) {
    const int share = (asked > 0 ? asked : 6) / 3;
    std::size_t steps = 0;
    train_experts(
        *golden_base("tiny_llama"), trainings, {.at_once = 3, .threads = asked},
        [](std::size_t, const Expert&) {},
        [&](std::size_t, const TrainingStep&) {
          ++steps;
          EXPECT_EQ(at::get_num_threads(), share);
          EXPECT_EQ(threads_of_a_new_thread(), 6);
        });
    EXPECT_EQ(steps, 24u);
    EXPECT_EQ(at::get_num_threads(), 6);
    EXPECT_EQ(threads_of_a_new_thread(), 6);
  }
  // One alone with another number of threads has them, and nobody else.
  train_experts(
      *golden_base("tiny_llama"), std::span(trainings).first(1), {.threads = 2},
      [](std::size_t, const Expert&) {},
      [](std::size_t, const TrainingStep&) { EXPECT_EQ(at::get_num_threads(), 2); });
  EXPECT_EQ(at::get_num_threads(), 6);
  at::set_num_threads(threads);
}

TEST_F(TrainExpertTest, OneFailureAmongSeveralKeepsTheOthers) {
  TrainingOptions broken = options();
  broken.learning_rate = 1e30;
  broken.clip_norm = 0;
  broken.warmup_proportion = 0;
  const std::vector<ExpertTraining> trainings = {{"good", data(), options()}, {"bad", data(), broken}};
  std::vector<std::string> trained;
  const std::string message = error_message([&] {
    train_experts(*golden_base("tiny_llama"), trainings, {.at_once = 2},
                  [&](std::size_t, const Expert& expert) { trained.push_back(expert.info.name); });
  });
  EXPECT_NE(message.find("training diverged"), std::string::npos);
  EXPECT_EQ(trained, std::vector<std::string>{"good"});
}

// One row, three, and more than one batch of four; more steps than any has batches: epochs follow each other.
TEST_F(TrainExpertTest, GatesTrainOnAnyNumberOfRows) {
  const Expert expert = train(options());
  TrainingOptions chosen = options();
  chosen.total_steps = 5;
  for (const std::int64_t rows : {1, 3, 5, 9}) {
    TaskDataset few = data();
    few.subsample(Split::kTrain, static_cast<double>(rows), false);
    ASSERT_EQ(few.examples(Split::kTrain).size(), static_cast<std::size_t>(rows));
    std::vector<std::int64_t> tokens;
    const auto gates = train_gates(*golden_base("tiny_llama"), expert, few, chosen,
                                   [&](const TrainingStep& step) { tokens.push_back(step.tokens); });
    EXPECT_EQ(tokens.size(), 5u);
    if (rows <= 4) {
      EXPECT_EQ(std::set(tokens.begin(), tokens.end()).size(), 1u) << "every step runs all rows";
    }
    for (const auto& [path, gate] : gates) EXPECT_TRUE(gate.any().item<bool>()) << rows << " " << path;
  }
}

TEST_F(TrainExpertTest, GatesLearnAndTheExpertStays) {
  const Expert expert = train(options());
  TrainingOptions chosen = options();
  chosen.total_steps = 4;
  const std::string digest = expert_digest(expert);
  const auto gates = train_gates(*golden_base("tiny_llama"), expert, data(), chosen);
  ASSERT_EQ(gates.size(), 4u);
  for (const auto& [path, gate] : gates) {
    EXPECT_EQ(gate.sizes(), (at::IntArrayRef{32}));
    EXPECT_TRUE(gate.any().item<bool>());
  }
  EXPECT_EQ(expert_digest(expert), digest);
  Expert foreign = expert;
  foreign.info.base_fingerprint = "0123";
  EXPECT_NE(error_message([&] { train_gates(*golden_base("tiny_llama"), foreign, data(), chosen); }), "");
  Expert untrained = expert;
  for (auto& [path, weights] : untrained.modules) weights.b = at::zeros_like(weights.b);
  EXPECT_NE(error_message([&] {
              train_gates(*golden_base("tiny_llama"), untrained, data(), chosen);
            }).find("is still zero after training"),
            std::string::npos);
}

}  // namespace
}  // namespace quiver
