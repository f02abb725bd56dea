#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "modular/routed_fixture.h"
#include "quiver/generation.h"
#include "support/damaged_model.h"
#include "support/special_token.h"

namespace quiver {
namespace {

using test::error_message;

class GenerateTest : public testing::Test {
 protected:
  const test::GoldenLibrary library_;
  const RoutedModel base_{test::golden_base("tiny_llama")};
  const RoutedModel oracle_ = library_.compose("oracle");
  const RoutedModel arrow_ = library_.compose("arrow");
  const RoutedModel phatgoose_ = library_.compose("phatgoose");
  // Different lengths, models and tasks.
  const std::vector<GenerationRequest> requests_ = {{oracle_, "The archer", "task_1"},
                                                    {arrow_, "An arrow flew far over the target"},
                                                    {base_, "x"},
                                                    {oracle_, "The archer", "task_3"},
                                                    {phatgoose_, "Question: how far?\nAnswer:"},
                                                    {oracle_, "She takes one", "task_1"},
                                                    {arrow_, ""}};

  std::vector<std::vector<std::int32_t>> ids_alone(const GenerationOptions& options) const {
    std::vector<std::vector<std::int32_t>> result;
    for (const GenerationRequest& request : requests_)
      result.push_back(generate({&request, 1}, options).front().ids);
    return result;
  }
};

TEST_F(GenerateTest, ABatchGivesWhatItsRequestsGiveAlone) {
  const auto alone = ids_alone({.max_new_tokens = 20});
  for (const std::int64_t batch_size : {1, 2, 3, 16}) {
    const std::vector<Generation> together =
        generate(requests_, {.max_new_tokens = 20, .batch_size = batch_size});
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      EXPECT_EQ(together[i].ids, alone[i]) << "request " << i << ", batch size " << batch_size;
    }
  }
  // Experts and routers matter, so the comparison means something.
  EXPECT_NE(alone[0], alone[3]);
}

TEST_F(GenerateTest, TokensAreTheLikeliestOfAFullForwardPass) {
  const std::vector<Generation> generations = generate(requests_, {.max_new_tokens = 10});
  for (const std::size_t i : {0, 1, 4}) {
    RaggedBatch batch;
    batch.add(base_.base().tokenizer().encode(requests_[i].prompt).ids);
    batch.ids.insert(batch.ids.end(), generations[i].ids.begin(), generations[i].ids.end());
    batch.offsets.back() = batch.tokens();
    const std::string tasks[] = {requests_[i].task_name};
    const at::NoGradGuard no_gradients;
    const at::Tensor likeliest =
        base_.base().logits(requests_[i].model.forward(batch, tasks)).argmax(1).to(at::kInt);
    for (std::size_t t = 0; t < generations[i].ids.size(); ++t) {
      const auto row = generations[i].prompt_tokens - 1 + static_cast<std::int64_t>(t);
      EXPECT_EQ(likeliest[row].item<std::int32_t>(), generations[i].ids[t]) << "request " << i;
    }
  }
}

TEST_F(GenerateTest, StopTextsEndAndAreCutOff) {
  const GenerationRequest request = requests_[1];
  const std::string whole = generate({&request, 1}, {.max_new_tokens = 20}).front().text;
  ASSERT_GT(whole.size(), 12u);
  const std::string stop = whole.substr(8, 3);
  const Generation stopped =
      generate({&request, 1}, {.max_new_tokens = 20, .stop = {"never there", stop}}).front();
  EXPECT_EQ(stopped.text, whole.substr(0, whole.find(stop)));
  EXPECT_LT(stopped.ids.size(), 20u);
}

TEST_F(GenerateTest, EndOfTextEndsAndIsNotAmongTheTokens) {
  // A model that stops at the token it likes best.
  const GenerationRequest request = requests_[1];
  const std::vector<std::int32_t> ids = generate({&request, 1}, {.max_new_tokens = 6}).front().ids;
  const test::ScratchDirectory scratch;
  std::filesystem::copy(test::golden_path("tiny_llama"), scratch / "model");
  write_file_atomic(scratch / "model" / "generation_config.json",
                    dump_json({{"eos_token_id", Json::array({ids[3], 0})}}));
  const RoutedModel stopping =
      RoutedModel::compose(BaseModel::load(scratch / "model"), library_.library(), parse_router("arrow"));
  const GenerationRequest again[] = {{stopping, request.prompt}};
  const auto first = std::find(ids.begin(), ids.end(), ids[3]);
  EXPECT_EQ(generate(again, {.max_new_tokens = 6}).front().ids,
            std::vector<std::int32_t>(ids.begin(), first));
  EXPECT_EQ(generate(again, {.max_new_tokens = 6, .ignore_stop_tokens = true}).front().ids, ids);
}

TEST_F(GenerateTest, SamplingFollowsTheSeed) {
  const auto sample = [&](std::uint64_t seed, double temperature, double top_p) {
    std::vector<std::vector<std::int32_t>> ids;
    for (const Generation& generation : generate(requests_, {.max_new_tokens = 12,
                                                            .batch_size = 3,
                                                            .sampling_temperature = temperature,
                                                            .top_p = top_p,
                                                            .seed = seed})) {
      ids.push_back(generation.ids);
    }
    return ids;
  };
  EXPECT_EQ(sample(7, 1.0, 1), sample(7, 1.0, 1));
  EXPECT_NE(sample(7, 1.0, 1), sample(8, 1.0, 1));
  EXPECT_EQ(sample(7, 1.0, 0.9), sample(7, 1.0, 0.9));
  // The nucleus of a tiny mass, even one below float32, is the likeliest token; so is everything at a
  // temperature near 0.
  for (const double tiny : {1e-6, 1e-300}) {
    EXPECT_EQ(sample(7, 1.0, tiny), ids_alone({.max_new_tokens = 12}));
    EXPECT_EQ(sample(7, tiny, 1), ids_alone({.max_new_tokens = 12}));
  }
}

TEST_F(GenerateTest, ASampleDependsOnNeitherNeighboursNorBatchSize) {
  const auto sample = [&](std::span<const GenerationRequest> requests, std::int64_t batch_size) {
    std::vector<std::vector<std::int32_t>> ids;
    for (const Generation& generation :
         generate(requests,
                  {.max_new_tokens = 12, .batch_size = batch_size, .sampling_temperature = 1.0, .seed = 7}))
      ids.push_back(generation.ids);
    return ids;
  };
  const auto together = sample(requests_, 16);
  for (const std::int64_t batch_size : {1, 2, 3}) EXPECT_EQ(sample(requests_, batch_size), together);
  // Those after it, and what stands before it in the call, do not matter.
  std::vector<GenerationRequest> others = requests_;
  others[0] = requests_[4];
  others.erase(others.begin() + 3, others.end());
  EXPECT_EQ(sample(others, 16)[1], together[1]);
  EXPECT_EQ(sample(others, 16)[2], together[2]);
  // Two requests that are alike draw differently.
  const std::vector<GenerationRequest> alike = {requests_[0], requests_[0]};
  EXPECT_NE(sample(alike, 2)[0], sample(alike, 2)[1]);
}

TEST_F(GenerateTest, PromptsLoseOneTrailingSpaceAndTheirBeginning) {
  const std::string prompt = "The archer takes one arrow";
  const auto first = [&](const std::string& text, std::int64_t limit) {
    const GenerationRequest request{arrow_, text};
    return generate({&request, 1}, {.max_new_tokens = 8, .max_input_length = limit}).front();
  };
  EXPECT_EQ(first(prompt + " ", 1024).ids, first(prompt, 1024).ids);
  EXPECT_NE(first(prompt + "  ", 1024).ids, first(prompt, 1024).ids);
  const Generation cut = first(prompt, 2);
  EXPECT_EQ(cut.prompt_tokens, 2);
  EXPECT_EQ(cut.ids, first(" one arrow", 1024).ids);
  // 128 positions, 8 of them for the answer.
  std::string endless;
  for (int i = 0; i < 300; ++i) endless += " arrow";
  EXPECT_EQ(first(endless, 1024).prompt_tokens, 120);
}

TEST_F(GenerateTest, ReportsEachRequestOnce) {
  std::vector<int> seen(requests_.size(), 0);
  const std::vector<Generation> all = generate(requests_, {.max_new_tokens = 5, .batch_size = 2},
                                               {.on_done = [&](std::size_t index, const Generation& one) {
                                                 seen[index] += one.ids.size() == 5 ? 1 : 9;
                                               }});
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(seen[i], all[i].ids.size() == 5 ? 1 : 9) << i;
  }
  EXPECT_TRUE(generate({}, {}).empty());
}

TEST_F(GenerateTest, RefusesWhatItCannotDo) {
  const auto message = [&](const GenerationOptions& options) {
    return error_message([&] { generate(requests_, options); });
  };
  EXPECT_EQ(message({.max_new_tokens = 0}),
            "max_new_tokens, batch_size and max_input_length must be at least 1");
  EXPECT_EQ(message({.batch_size = 0}), "max_new_tokens, batch_size and max_input_length must be at least 1");
  EXPECT_EQ(message({.max_new_tokens = 128}),
            "128 new tokens do not fit in the 128 positions of the model | lower --max-new-tokens");
  EXPECT_EQ(message({.stop = {""}}), "a stop text is empty");
  using Case = std::pair<double, std::string>;
  for (const auto& [top_p, text] : {Case(0.0, "0"), Case(1.5, "1.5"), Case(-1.0, "-1"), Case(NAN, "nan")}) {
    EXPECT_EQ(message({.top_p = top_p}), "top_p is " + text + ", it must be above 0 and at most 1");
  }
  for (const auto& [temperature, text] : {Case(-1.0, "-1"), Case(NAN, "nan"), Case(INFINITY, "inf")}) {
    EXPECT_EQ(message({.sampling_temperature = temperature}),
              "the sampling temperature is " + text + ", it must be a finite number, 0 or more");
  }
  const RoutedModel other(test::golden_base("tiny_gpt_neo"));
  const GenerationRequest mixed[] = {{base_, "a"}, {other, "a"}};
  EXPECT_EQ(error_message([&] { generate(mixed, {}); }),
            "the requests of one call must share their base model");
}

TEST_F(GenerateTest, AFailedRequestCostsNoOther) {
  const std::vector<GenerationRequest> requests = {
      {oracle_, "a", "task_9"}, requests_[0], {oracle_, "b", ""}, requests_[1]};
  const GenerationOptions options{.max_new_tokens = 6, .batch_size = 2};
  std::vector<std::size_t> done;
  const std::vector<Generation> results = generate(
      requests, options, {.on_done = [&](std::size_t place, const Generation&) { done.push_back(place); }});
  std::ranges::sort(done);
  EXPECT_EQ(done, (std::vector<std::size_t>{0, 1, 2, 3}));
  ASSERT_TRUE(results[0].error);
  EXPECT_EQ(results[0].error->kind(), ErrorKind::kNotFound);
  EXPECT_EQ(results[0].error->what(), std::string("no expert was trained on task 'task_9'"));
  EXPECT_EQ(results[2].error->what(), std::string("the oracle router needs a task name for every text"));
  EXPECT_FALSE(results[1].error);
  EXPECT_EQ(results[1].ids, generate({&requests_[0], 1}, options).front().ids);
  EXPECT_EQ(results[3].ids, generate({&requests_[1], 1}, options).front().ids);
}

TEST_F(GenerateTest, NumbersThatAreNotFiniteAreAnErrorOfTheirRequest) {
  // One logit is one hidden state times a factor that is too large for the second text only.
  const auto hidden = [&](const std::string& text) {
    const at::NoGradGuard no_gradients;
    return base_.base().forward(test::batch_of({base_.base().tokenizer().encode(text).ids}))[-1].abs();
  };
  const std::string small = "The archer", large = "x";
  const at::Tensor ratio = hidden(large) / hidden(small);
  const std::int64_t column = ratio.argmax().item<std::int64_t>();
  ASSERT_GT(ratio[column].item<double>(), 8);
  const double factor = 0.5 * test::kLargest / hidden(small)[column].item<double>() / 1000;
  const RoutedModel model(test::changed_model([&](test::Weights& weights) {
    weights.at("model.norm.weight")[column] *= 1000;
    weights.at("lm_head.weight")[7].zero_();
    weights.at("lm_head.weight")[7][column] = factor;
  }));
  const std::vector<GenerationRequest> requests = {{model, large}, {model, small}};
  const std::vector<Generation> results =
      generate(requests, {.max_new_tokens = 1, .ignore_stop_tokens = true});
  ASSERT_TRUE(results[0].error);
  EXPECT_EQ(results[0].error->kind(), ErrorKind::kNotFinite);
  EXPECT_EQ(results[0].error->what(),
            "the base model " + model.base().name() +
                " gives numbers that are not finite (NaN or infinity), first in the output head");
  EXPECT_FALSE(results[1].error);
  EXPECT_EQ(results[1].ids.size(), 1u);
}

TEST_F(GenerateTest, TheFirstLayerThatIsNotFiniteIsNamed) {
  const auto place = [](const std::function<void(test::Weights&)>& edit) {
    const RoutedModel model(test::changed_model(edit));
    const GenerationRequest request{model, "The archer"};
    const std::optional<Error> error = generate({&request, 1}, {.max_new_tokens = 2}).front().error;
    if (!error) return std::string("none");
    const std::string message = error->what();
    return message.substr(message.find("first ") + 6);
  };
  EXPECT_EQ(place(test::overflow_keys), "in the output of 'model.layers.0.self_attn.k_proj'");
  EXPECT_EQ(place([](test::Weights& weights) {
              weights.at("model.layers.1.mlp.up_proj.weight").mul_(1e10);
              weights.at("model.layers.1.mlp.down_proj.weight")[3].fill_(test::kLargest);
            }),
            "in the output of 'model.layers.1.mlp.down_proj'");
  // Queries and keys whose products overflow.
  EXPECT_EQ(
      place([](test::Weights& weights) { weights.at("model.layers.0.input_layernorm.weight").mul_(1e30); }),
      "in the input of 'model.layers.0.self_attn.o_proj'");
  EXPECT_EQ(place([](test::Weights& weights) { weights.at("model.norm.weight").fill_(test::kLargest); }),
            "after the last layer");
}

TEST_F(GenerateTest, AStopTextMayBeASpecialToken) {
  // The fourth token of the continuation becomes a special one.
  const GenerationRequest request{base_, "x"};
  const std::vector<std::int32_t> ids =
      generate({&request, 1}, {.max_new_tokens = 10, .ignore_stop_tokens = true}).front().ids;
  const test::ScratchDirectory scratch;
  const RoutedModel model(test::with_special_token(scratch / "model", ids[3], "<|turn|>"));
  const GenerationRequest again{model, "x"};
  const auto end = std::find(ids.begin(), ids.end(), ids[3]);
  const Tokenizer& tokenizer = model.base().tokenizer();
  const std::string before = tokenizer.decode(std::vector<std::int32_t>(ids.begin(), end));
  for (const std::string stop : {"<|turn|>", "turn"}) {
    const Generation stopped =
        generate({&again, 1}, {.max_new_tokens = 10, .stop = {stop}, .ignore_stop_tokens = true}).front();
    EXPECT_EQ(stopped.ids, std::vector<std::int32_t>(ids.begin(), end + 1)) << stop;
    EXPECT_EQ(stopped.text, before) << stop;
  }
}

TEST_F(GenerateTest, StepsAreTimedAndCounted) {
  std::vector<GenerationObserver::Step> steps;
  const std::vector<Generation> results = generate(
      std::span(requests_).first(3), {.max_new_tokens = 4, .batch_size = 3, .ignore_stop_tokens = true},
      {.on_step = [&](const GenerationObserver::Step& step) { steps.push_back(step); }});
  ASSERT_EQ(steps.size(), 4u);
  std::int64_t prompt_tokens = 0;
  for (const Generation& result : results) prompt_tokens += result.prompt_tokens;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(steps[i].sequences, 3);
    EXPECT_GT(steps[i].seconds, 0);
    EXPECT_EQ(steps[i].prompt_tokens, i == 0 ? prompt_tokens : 0);
  }
}

}  // namespace
}  // namespace quiver
