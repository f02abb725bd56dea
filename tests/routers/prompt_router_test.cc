// The routers that read statistics: prompt, average_activation and priors.
#include <ATen/core/grad_mode.h>

#include "modular/routed_fixture.h"
#include "quiver/decoding.h"
#include "quiver/generation.h"
#include "quiver/scoring.h"
#include "quiver/transforms.h"
#include "routing/statistics.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::error_message;

constexpr const char* kLetters[] = {"ab", "kl", "xy", "pq"};

// A prompt of task number i: its letters alone, many or few.
std::string prompt_of(std::size_t task, int length) {
  std::string text;
  for (int i = 0; i < length; ++i) text += kLetters[task][(i * i + length) % 3 == 0 ? 0 : 1];
  return text;
}

class PromptRouterTest : public testing::Test {
 protected:
  PromptRouterTest() {
    std::string lines;
    for (std::size_t task = 0; task < 4; ++task) {
      for (int length = 4; length < 14; ++length) {
        lines += dump_json({{"source", prompt_of(task, length)},
                            {"target", "yes"},
                            {"task_name", "task_" + std::to_string(task)},
                            {"split", "train"}}) +
                 "\n";
      }
    }
    write_file_atomic(library_ / "rows.jsonl", lines);
    const TaskDataset data = TaskDataset::load({.path = (library_ / "rows.jsonl").string()});
    compute_statistics(library_.library(), library_.library().names(), *base_, data, {}, Recompute::kAll);
    compute_calibration(library_.library(), library_.library().names(), *base_, data, {}, Recompute::kAll);
  }

  RoutedModel compose(const std::string& router,
                      const std::map<std::string, std::string>& settings = {}) const {
    RouterOptions options = parse_router(router);
    for (const auto& [name, value] : settings) set_router_setting(options, name, value);
    return library_.compose(options);
  }

  static std::size_t heaviest(const std::vector<double>& weights) {
    return static_cast<std::size_t>(std::ranges::max_element(weights) - weights.begin());
  }

  at::Tensor logits(const RoutedModel& model) const {
    const at::NoGradGuard no_gradients;
    RaggedBatch batch;
    for (std::size_t task = 0; task < 4; ++task) batch.add(model.prompt_ids(prompt_of(task, 20)));
    return model.base().logits(model.forward(batch));
  }

  // What the base alone gives to the first block's attention: (T, D), the prompts' tokens end to end.
  at::Tensor attention_input(const std::vector<std::string>& prompts) const {
    const RoutedModel alone(base_);
    RaggedBatch batch;
    for (const std::string& prompt : prompts) batch.add(alone.prompt_ids(prompt));
    const std::int64_t embeddings[] = {0};
    const at::NoGradGuard no_gradients;
    const at::Tensor entering = base_->hidden_states(batch, embeddings)[0];
    const SafetensorsFile file = SafetensorsFile::open(test::golden_path("tiny_llama/model.safetensors"));
    const at::Tensor norm = file.read("model.layers.0.input_layernorm.weight").to(at::kFloat);
    return entering * (entering.square().mean(1, true) + 1e-5).rsqrt() * norm;
  }

  test::GoldenLibrary library_;
  std::shared_ptr<const BaseModel> base_ = test::golden_base("tiny_llama");
};

TEST_F(PromptRouterTest, FindsTheExpertOfPromptsItHasNotSeen) {
  for (const char* rule : {"ridge", "lda", "centroid"}) {
    SCOPED_TRACE(rule);
    const RoutedModel model = compose("prompt", {{"rule", rule}, {"quantile", "1"}});
    for (std::size_t task = 0; task < 4; ++task) {
      const std::vector<double> weights = model.bind(model.prompt_ids(prompt_of(task, 17))).expert_weights;
      ASSERT_EQ(weights.size(), 4u);
      EXPECT_EQ(heaviest(weights), task);
    }
  }
}

TEST_F(PromptRouterTest, ForeignPromptsGetTheBaseOrTheFallback) {
  const std::string foreign = "0123 4567 89!? 3141";
  const RoutedModel eager = compose("prompt", {{"abstain", "no"}});
  const RoutedModel alone = compose("prompt"), uniform = compose("prompt", {{"fallback", "uniform"}}),
                    arrow = compose("prompt", {{"fallback", "arrow"}});
  const std::vector<std::int32_t> ids = alone.prompt_ids(foreign);
  EXPECT_EQ(alone.bind(ids).adapter, nullptr);
  EXPECT_EQ(alone.bind(ids).expert_weights, std::vector<double>(4, 0));
  EXPECT_NE(eager.bind(ids).adapter, nullptr);
  EXPECT_EQ(uniform.bind(ids).expert_weights, std::vector<double>(4, 0.25));
  EXPECT_TRUE(arrow.bind(ids).expert_weights.empty());
  EXPECT_NE(arrow.bind(ids).adapter, nullptr);
  EXPECT_FALSE(arrow.bind(alone.prompt_ids(prompt_of(2, 9))).expert_weights.empty());
}

// The look at a foreign prompt is its reading.
TEST_F(PromptRouterTest, AForeignPromptIsDecodedAsByTheBase) {
  std::string foreign;
  for (int i = 0; i < 5; ++i) foreign += "0123 4567 89!? 3141 ";
  const RoutedModel routed = compose("prompt"), alone(base_);
  const std::vector<std::int32_t> ids = alone.prompt_ids(foreign);
  ASSERT_GT(ids.size(), static_cast<std::size_t>(CachePool::kPositions));
  DecodingBatch batch(base_, {.cache_memory = 1 << 20});
  const auto run = [&](const RoutedModel& model, bool with_logprobs) {
    batch.add({.model = model, .prompt = ids, .max_new_tokens = 8, .prompt_logprobs = with_logprobs});
    std::vector<std::int32_t> tokens;
    std::int64_t cached = 0, prompt = 0;
    while (!batch.is_empty()) {
      for (const SequenceEvent& event : batch.step()) {
        for (const TokenRecord& token : event.tokens) tokens.push_back(token.id);
        cached = event.cached_tokens;
        prompt += static_cast<std::int64_t>(event.prompt.size());
      }
    }
    EXPECT_EQ(prompt, with_logprobs ? static_cast<std::int64_t>(ids.size()) : 0);
    return std::pair(tokens, cached);
  };
  const std::vector<std::int32_t> own = run(routed, false).first;
  EXPECT_EQ(own.size(), 8u);
  const auto [expected, cached] = run(alone, false);
  EXPECT_EQ(own, expected);
  EXPECT_GE(cached, CachePool::kPositions);  // what the look read
  EXPECT_EQ(run(routed, true).first, expected);
  EXPECT_EQ(batch.stats().used_pages, 0);

  // Looks count as reading: running sequences need not wait for many at once.
  DecodingBatch slow(base_, {.prompt_tokens = static_cast<std::int64_t>(ids.size())});
  slow.add({.model = routed, .prompt = ids, .max_new_tokens = 8});
  EXPECT_FALSE(slow.has_room());
  slow.step();
  EXPECT_TRUE(slow.has_room());
}

TEST_F(PromptRouterTest, APromptGetsTheSameAloneAndInAnyBatch) {
  const RoutedModel model = compose("prompt", {{"quantile", "1"}});
  std::vector<GenerationRequest> all;
  for (std::size_t task = 0; task < 4; ++task) all.push_back({model, prompt_of(task, 11)});
  const GenerationOptions options{.max_new_tokens = 4, .record_routing = true};
  const std::vector<Generation> together = generate(all, options);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Generation alone = generate({&all[i], 1}, options)[0];
    EXPECT_EQ(alone.expert_weights, together[i].expert_weights);  // to the bit
    EXPECT_EQ(alone.ids, together[i].ids);
  }
}

// With a small quantile nearly every prompt is looked at twice.
TEST_F(PromptRouterTest, LooksAgainAtWhatSeemsForeignOnly) {
  const RoutedModel once = compose("prompt", {{"quantile", "0.02"}, {"second_look", "no"}}),
                    twice = compose("prompt", {{"quantile", "0.02"}}), eager = compose("prompt"),
                    eager_once = compose("prompt", {{"second_look", "no"}});
  int rescued = 0;
  for (std::size_t task = 0; task < 4; ++task) {
    for (int length = 4; length < 14; ++length) {
      const std::vector<std::int32_t> ids = once.prompt_ids(prompt_of(task, length));
      const std::vector<double> first = once.bind(ids).expert_weights,
                                second = twice.bind(ids).expert_weights;
      const bool abstained = first == std::vector<double>(4, 0);
      if (!abstained) {
        EXPECT_EQ(second, first);
      } else if (second != first) {
        ++rescued;
        EXPECT_EQ(heaviest(second), task);
      }
      const std::vector<double> own = eager_once.bind(ids).expert_weights;
      if (own != std::vector<double>(4, 0)) {
        EXPECT_EQ(eager.bind(ids).expert_weights, own);
      }
    }
  }
  EXPECT_GT(rescued, 20);  // of 40, of which nearly all seem foreign
}

TEST_F(PromptRouterTest, ASecondLookIsTheSameInAnyBatchAndWhenLoaded) {
  const RoutedModel model = compose("prompt", {{"quantile", "0.02"}});
  model.save(library_ / "saved");
  const RoutedModel loaded = RoutedModel::load(library_ / "saved", base_);
  std::vector<GenerationRequest> all, of_loaded;
  for (std::size_t task = 0; task < 4; ++task) {
    all.push_back({model, prompt_of(task, 11)});
    of_loaded.push_back({loaded, prompt_of(task, 11)});
  }
  const GenerationOptions options{.max_new_tokens = 4, .record_routing = true};
  const std::vector<Generation> together = generate(all, options), again = generate(of_loaded, options);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Generation alone = generate({&all[i], 1}, options)[0];
    EXPECT_EQ(alone.expert_weights, together[i].expert_weights);  // to the bit
    EXPECT_EQ(again[i].expert_weights, together[i].expert_weights);
    EXPECT_EQ(alone.ids, together[i].ids);
  }
}

TEST_F(PromptRouterTest, ScoresByThePromptWithoutTheCompletion) {
  const RoutedModel model = compose("prompt", {{"quantile", "1"}});
  std::vector<ScoreRequest> requests;
  for (const char* completion : {"abababab", "xyxyxyxyxyxyxyxyxyxyxyxyxy"})
    requests.push_back({model, prompt_of(1, 8), completion});
  const std::vector<Score> scores = score(requests);
  const std::vector<double> bound = model.bind(model.prompt_ids(prompt_of(1, 8))).expert_weights;
  EXPECT_EQ(scores[0].expert_weights, bound);
  EXPECT_EQ(scores[1].expert_weights, bound);
}

TEST_F(PromptRouterTest, ALoadedModelGivesTheSameBits) {
  const std::pair<const char*, std::map<std::string, std::string>> cases[] = {
      {"prompt", {{"quantile", "1"}}},
      {"prompt", {{"rule", "lda"}, {"fallback", "arrow"}}},
      {"prompt", {{"rule", "centroid"}, {"fallback", "spectral"}}},
      {"average_activation", {}},
      {"average_activation", {{"input_norm", "norm_d"}, {"proto_norm", "norm_p"}}},
      {"arrow", {{"prior", "prompt"}, {"prior_weight", "2"}}},
      {"arrow", {{"scale", "yes"}, {"tie_params", "q_proj.lora_a|k_proj.lora_a"}}},
      {"arrow", {{"granularity", "input"}}},
      {"spectral", {{"prior", "prompt"}, {"score", "activation"}}},
      {"spectral", {{"calibrate", "yes"}, {"prefilter", "2"}, {"granularity", "input"}}},
      {"logo", {}},
      {"phatgoose", {{"prior", "prompt"}}}};
  for (const auto& [router, settings] : cases) {
    SCOPED_TRACE(router);
    const RoutedModel model = compose(router, settings);
    model.save(library_ / "saved");
    const RoutedModel loaded = RoutedModel::load(library_ / "saved", base_);
    EXPECT_TRUE(at::equal(logits(loaded), logits(model)));
    EXPECT_EQ(to_json(loaded.router()), to_json(model.router()));
  }
}

TEST_F(PromptRouterTest, LeavingAnExpertOutIsALibraryWithoutIt) {
  const RoutedModel less = compose("prompt", {{"quantile", "1"}}).without_expert("expert_2");
  library_.library().remove("expert_2");
  const RoutedModel anew = compose("prompt", {{"quantile", "1"}});
  for (std::size_t task = 0; task < 4; ++task) {
    const std::vector<std::int32_t> ids = less.prompt_ids(prompt_of(task, 15));
    const std::vector<double> left = less.bind(ids).expert_weights, expected = anew.bind(ids).expert_weights;
    ASSERT_EQ(left.size(), 3u);
    for (std::size_t e = 0; e < 3; ++e) EXPECT_NEAR(left[e], expected[e], 1e-7);
  }
}

// A prior that counts for much leaves the other experts nothing.
TEST_F(PromptRouterTest, APriorMovesTheWeightsOfTokens) {
  const auto own_weight = [&](const RoutedModel& model, std::size_t task) {
    double sum = 0;
    const auto trace = model.route(prompt_of(task, 9));
    for (const auto& [slot, weights] : trace)
      sum += weights.select(1, static_cast<std::int64_t>(task)).mean().item<double>();
    return sum / static_cast<double>(trace.size());
  };
  for (std::size_t task = 0; task < 4; ++task) {
    const double plain = own_weight(compose("arrow"), task);
    const double none = own_weight(compose("arrow", {{"prior", "prompt"}, {"prior_weight", "0"}}), task);
    EXPECT_NEAR(none, plain, 1e-6);
    EXPECT_GT(own_weight(compose("arrow", {{"prior", "prompt"}, {"prior_weight", "100"}}), task), 0.95);
  }
}

TEST_F(PromptRouterTest, ACalibrationIsOfTheWeightsItWasMadeWith) {
  Expert late = test::golden_experts()[0];
  late.info.tasks = {"task_0"};
  late.modules.begin()->second.b.mul_(2);
  library_.library().add(late, IfExists::kReplace);
  EXPECT_NE(error_message([&] {
              compose("spectral", {{"calibrate", "yes"}});
            }).find("calibration"),
            std::string::npos);
  EXPECT_NO_THROW(compose("spectral"));
  late.info.name = "late";
  late.info.tasks = {"late"};
  library_.library().remove("expert_0");
  library_.library().add(late);
  EXPECT_EQ(error_message([&] {
              compose("spectral", {{"calibrate", "yes"}});
            }),
            "expert 'late' has no calibration in " + library_.library().uri() +
                " | compute them with `quiver prototypes calibration " + library_.library().uri() +
                " -c FILE`");
}

// x . p / sqrt(d) with p the unit mean of the base's inputs, worked out beside the router.
TEST_F(PromptRouterTest, AverageActivationIsTheLikenessToTheMeanInput) {
  const RoutedModel model = compose("average_activation");
  const std::string prompt = prompt_of(3, 12);
  const auto trace = model.route(prompt);
  const std::string slot = "model.layers.0.self_attn.q_proj";  // where no adapter has changed anything yet
  std::vector<at::Tensor> means;
  for (const std::string& name : library_.library().names()) {
    const at::Tensor mean =
        library_.library().find_artefact(name, kStatisticsKind)->tensors.at(statistics_input_key(slot));
    means.push_back(mean / mean.norm());
  }
  const at::Tensor x = attention_input({prompt});
  const at::Tensor expected = at::softmax(at::mm(x, at::stack(means).t()) / std::sqrt(32.0), 1);
  EXPECT_LT(test::max_difference(trace.at(slot), expected), 1e-5);
}

// The scores' means and deviations, worked out beside the router in a slot where no adapter has changed
// anything yet.
TEST_F(PromptRouterTest, SpectralCalibratesItsScores) {
  const std::string slot = "model.layers.0.self_attn.k_proj";
  const std::string prompt = prompt_of(1, 9);
  for (const char* score : {"projection", "activation"}) {
    SCOPED_TRACE(score);
    const at::Tensor x = attention_input({prompt});
    std::vector<at::Tensor> logits;
    const std::vector<Expert> experts = test::golden_experts();
    for (std::size_t e = 0; e < experts.size(); ++e) {
      const LoraWeights& lora = experts[e].modules.at(slot);
      const at::Tensor update = at::mm(lora.b, lora.a) * lora.scale;
      const at::Tensor rows = score == std::string("activation")
                                  ? update
                                  : std::get<2>(at::linalg_svd(update, false)).narrow(0, 0, lora.a.size(0));
      std::vector<std::string> own;
      for (int length = 4; length < 14; ++length) own.push_back(prompt_of(e, length));
      const auto lengths = [&](const at::Tensor& inputs) {
        return at::linalg_vector_norm(at::mm(inputs, rows.t()), 2, {1});
      };
      const at::Tensor of_own = lengths(attention_input(own));
      logits.push_back((lengths(x) - of_own.mean()) / (of_own - of_own.mean()).square().mean().sqrt());
    }
    const at::Tensor expected = at::softmax(at::stack(logits, 1) / 0.5, 1);
    RouterOptions options = parse_router("spectral");
    options.temperature = 0.5;
    set_router_setting(options, "calibrate", "yes");
    set_router_setting(options, "score", score);
    EXPECT_LT(test::max_difference(library_.compose(options).route(prompt).at(slot), expected), 1e-4);
  }
}

TEST_F(PromptRouterTest, SlotsOfOneInputMayDecideTogether) {
  for (const char* router : {"arrow", "phatgoose", "spectral"}) {
    const auto apart = compose(router).route(prompt_of(1, 9));
    const auto together = compose(router, {{"granularity", "input"}}).route(prompt_of(1, 9));
    const std::string block = "model.layers.0.self_attn.";
    EXPECT_TRUE(at::equal(together.at(block + "q_proj"), apart.at(block + "q_proj"))) << router;
    EXPECT_TRUE(at::equal(together.at(block + "k_proj"), apart.at(block + "q_proj"))) << router;
    EXPECT_FALSE(at::equal(apart.at(block + "k_proj"), apart.at(block + "q_proj"))) << router;
  }
}

// Ranks that differ between the slots of a group give them different numbers of vectors.
TEST_F(PromptRouterTest, SpectralTakesOtherRanksInOtherSlots) {
  ExpertLibrary mixed = ExpertLibrary::create((library_ / "mixed").string());
  for (Expert expert : test::golden_experts()) {
    for (auto& [path, weights] : expert.modules) {
      if (path.ends_with("k_proj"))
        weights = {weights.a.narrow(0, 0, 1).clone(), weights.b.narrow(1, 0, 1).clone(), 1};
    }
    mixed.add(expert);
  }
  const RoutedModel model = RoutedModel::compose(base_, mixed, parse_router("spectral"));
  const auto trace = model.route(prompt_of(0, 9));
  // In k_proj, of one direction, the logits are Arrow's.
  compute_arrow_prototypes(mixed, Recompute::kMissing);
  RouterOptions arrow = parse_router("arrow");
  arrow.combine = Combine::kOutput;
  const std::string slot = "model.layers.0.self_attn.k_proj";
  EXPECT_LT(test::max_difference(trace.at(slot),
                                 RoutedModel::compose(base_, mixed, arrow).route(prompt_of(0, 9)).at(slot)),
            1e-5);
  model.save(library_ / "saved");
  EXPECT_TRUE(at::equal(logits(RoutedModel::load(library_ / "saved", base_)), logits(model)));
}

// A folder whose rule is of other experts than it holds.
TEST_F(PromptRouterTest, ARuleOfOtherExpertsIsCorrupt) {
  compose("prompt").save(library_ / "saved");
  const std::filesystem::path file = library_ / "saved" / "quiver_model.json";
  Json json = read_json_file(file);
  json["experts"].erase(3);
  write_file_atomic(file, dump_json(json));
  std::map<std::string, at::Tensor> tensors;
  {
    const SafetensorsFile held = SafetensorsFile::open(library_ / "saved" / "experts.safetensors");
    for (const std::string& name : held.names()) {
      if (!name.starts_with("experts.3.")) tensors[name] = held.read(name).clone();
    }
  }
  write_safetensors(library_ / "saved" / "experts.safetensors", tensors);
  EXPECT_NE(error_message([&] { RoutedModel::load(library_ / "saved", base_); }).find("of 4 experts"),
            std::string::npos);
}

// As folders were written before there were second looks.
TEST_F(PromptRouterTest, AFolderWithoutASecondLookHasNone) {
  const RoutedModel once = compose("prompt", {{"second_look", "no"}});
  compose("prompt").save(library_ / "saved");
  std::map<std::string, at::Tensor> tensors;
  {
    const SafetensorsFile held = SafetensorsFile::open(library_ / "saved" / "experts.safetensors");
    for (const std::string& name : held.names()) {
      if (!name.starts_with("rule.second.")) tensors[name] = held.read(name).clone();
    }
    ASSERT_LT(tensors.size(), held.names().size());
  }
  write_safetensors(library_ / "saved" / "experts.safetensors", tensors);
  EXPECT_TRUE(at::equal(logits(RoutedModel::load(library_ / "saved", base_)), logits(once)));
}

TEST_F(PromptRouterTest, AFallbackThatIsLeftOutIsTheBase) {
  const RoutedModel less = compose("prompt", {{"fallback", "expert:expert_1"}}).without_expert("expert_1");
  EXPECT_EQ(less.bind(less.prompt_ids("0123 4567 89!? 3141")).adapter, nullptr);
  EXPECT_EQ(error_message([&] {
              compose("prompt", {{"fallback", "prompt"}});
            }),
            "'fallback' of router 'prompt' is the router itself | name another, or base");
}

TEST_F(PromptRouterTest, RefusesWhatCannotRoute) {
  const std::string uri = library_.library().uri();
  EXPECT_NE(error_message([&] {
              compose("prompt", {{"layer", "99"}});
            }).find("no hidden states of layer 99"),
            std::string::npos);
  EXPECT_NE(error_message([&] {
              compose("prompt", {{"fallback", "arow"}});
            }).find("unknown router 'arow'"),
            std::string::npos);
  EXPECT_EQ(error_message([&] {
              compose("prompt", {{"quantile", "0"}});
            }),
            "'quantile' of router 'prompt' is '0', must be a number between 1e-06 and 1");
  Expert late = test::golden_experts()[0];
  late.info.name = "late";
  late.info.tasks = {"late"};
  library_.library().add(late);
  for (const auto& [router, settings] : std::map<std::string, std::map<std::string, std::string>>{
           {"prompt", {}}, {"average_activation", {}}, {"phatgoose", {{"prior", "prompt"}}}}) {
    const std::string message = error_message([&] { compose(router, settings); });
    if (router == "phatgoose") continue;  // its gates are missing as well
    EXPECT_NE(message.find("expert 'late' has no statistics"), std::string::npos) << message;
    EXPECT_NE(message.find("`quiver prototypes statistics " + uri + " -c FILE`"), std::string::npos)
        << message;
  }
  for (const char* name : {"late", "expert_1", "expert_2", "expert_3"}) library_.library().remove(name);
  EXPECT_NE(error_message([&] { compose("prompt"); }).find("two"), std::string::npos);
}

}  // namespace
}  // namespace quiver
