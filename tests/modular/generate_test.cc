#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "modular/routed_fixture.h"

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
  const std::vector<GenerationRequest> requests_ = {{&oracle_, "The archer", "task_1"},
                                                    {&arrow_, "An arrow flew far over the target"},
                                                    {&base_, "x"},
                                                    {&oracle_, "The archer", "task_3"},
                                                    {&phatgoose_, "Question: how far?\nAnswer:"},
                                                    {&oracle_, "She takes one", "task_1"},
                                                    {&arrow_, ""}};

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
        base_.base().logits(requests_[i].model->forward(batch, tasks)).argmax(1).to(at::kInt);
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
  const GenerationRequest again[] = {{&stopping, request.prompt}};
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
  // The nucleus of a tiny mass is the likeliest token; so is everything at a temperature near 0.
  EXPECT_EQ(sample(7, 1.0, 1e-6), ids_alone({.max_new_tokens = 12}));
  EXPECT_EQ(sample(7, 1e-6, 1), ids_alone({.max_new_tokens = 12}));
}

TEST_F(GenerateTest, PromptsLoseOneTrailingSpaceAndTheirBeginning) {
  const std::string prompt = "The archer takes one arrow";
  const auto first = [&](const std::string& text, std::int64_t limit) {
    const GenerationRequest request{&arrow_, text};
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
  const std::vector<Generation> all =
      generate(requests_, {.max_new_tokens = 5, .batch_size = 2},
               [&](std::size_t index, const Generation& one) { seen[index] += one.ids.size() == 5 ? 1 : 9; });
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
  for (const double top_p : {0.0, 1.5, -1.0, std::nan("")}) {
    EXPECT_EQ(message({.top_p = top_p}), "top_p must be in (0, 1] and the sampling temperature not negative");
  }
  for (const double temperature : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(message({.sampling_temperature = temperature}),
              "top_p must be in (0, 1] and the sampling temperature not negative");
  }
  const RoutedModel other(test::golden_base("tiny_gpt_neo"));
  const GenerationRequest mixed[] = {{&base_, "a"}, {&other, "a"}};
  EXPECT_EQ(error_message([&] { generate(mixed, {}); }),
            "the requests of one call must share their base model");
  const GenerationRequest unknown[] = {{&oracle_, "a", "task_9"}};
  EXPECT_NE(error_message([&] { generate(unknown, {.max_new_tokens = 4}); }).find("'task_9'"),
            std::string::npos);
}

}  // namespace
}  // namespace quiver
