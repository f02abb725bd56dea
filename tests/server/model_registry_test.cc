// A server's models: names, residency, loading, a library that changes.
#include "server/model_registry.h"

#include <ATen/core/grad_mode.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "modular/routed_fixture.h"
#include "protocol/api_error.h"
#include "server/adapter_routes.h"
#include "server/kept_exchange.h"
#include "server/library_watch.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

using test::error_message;
using test::golden_base;

class ModelRegistryTest : public testing::Test {
 protected:
  ModelRegistry registry(const std::vector<std::string>& routers = {}, RegistryOptions options = {}) {
    for (const std::string& router : routers) options.routers.push_back(parse_router(router));
    return ModelRegistry(golden_base("tiny_llama"), library_.library(), options);
  }

  static at::Tensor logits(const RoutedModel& model) {
    const at::NoGradGuard no_gradients;
    return model.base().logits(model.forward(test::batch_of({{5, 90, 200, 7}, {33, 1}})));
  }
  at::Tensor logits(const std::string& router) const { return logits(library_.compose(router)); }

  static std::string refusal(int status, const std::function<void()>& action) {
    try {
      action();
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status(), status) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "expected an ApiError";
    return "";
  }

  // Another expert_1, as trained again.
  Expert changed_expert() const {
    Expert expert = test::golden_experts()[1];
    for (auto& [path, lora] : expert.modules) lora.b = lora.b * 2;
    return expert;
  }

  test::GoldenLibrary library_;
};

TEST_F(ModelRegistryTest, ServesAComposedModelUnderItsRoutersName) {
  const test::ScratchDirectory scratch;
  const std::string folder = (scratch / "composed").string();
  library_.compose("arrow").save(folder);
  const RoutedModel composed = RoutedModel::load(folder, golden_base("tiny_llama"));
  const ModelRegistry models(composed.shared_base(), std::nullopt,
                             {.composed = composed, .composed_root = folder});
  std::vector<std::string> ids;
  for (const ServedModel& model : models.models()) ids.push_back(model.id + " " + model.root);
  EXPECT_EQ(ids, (std::vector<std::string>{"base " + golden_base("tiny_llama")->name(), "arrow " + folder}));
  EXPECT_TRUE(at::equal(logits(models.model("arrow")), logits("arrow")));
  EXPECT_FALSE(at::equal(logits(models.model("base")), logits("arrow")));
  // Another top_k of its own router can be had, another router cannot.
  RouterOptions one = parse_router("arrow");
  one.top_k = 1;
  EXPECT_TRUE(at::equal(logits(models.routed(one)), logits(library_.compose(one))));
  EXPECT_EQ(error_message([&] { models.routed(parse_router("uniform")); }),
            "router 'uniform' cannot be had here: the server has a composed model, whose router is 'arrow'");
  RouterOptions of_mttl = parse_router("expert:expert_1", parse_compat("mttl"));
  EXPECT_NE(error_message([&] { models.routed(of_mttl); }), "");
  EXPECT_EQ(error_message([&] { models.mixture({{"expert_1", 1}}); }), "there is no expert 'expert_1'");
  EXPECT_NE(error_message([&] { models.model("expert:expert_1"); }), "");
}

TEST_F(ModelRegistryTest, ServesTheBaseRoutersAndExpertsByName) {
  const ModelRegistry models = registry({"arrow", "base", "uniform"});
  std::vector<std::string> ids;
  for (const ServedModel& model : models.models()) ids.push_back(model.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"base", "arrow", "uniform", "expert:expert_0", "expert:expert_1",
                                           "expert:expert_2", "expert:expert_3"}));
  for (const char* name : {"base", "arrow", "uniform", "expert:expert_2"})
    EXPECT_TRUE(at::equal(logits(models.model(name)), logits(name))) << name;
  EXPECT_TRUE(models.model("arrow").shares_state(models.model("arrow")));
  EXPECT_TRUE(models.model("expert:expert_2").shares_state(models.model("expert:expert_2")));
  EXPECT_EQ(
      error_message([&] { models.model("expert:expert_9"); }).find("there is no model 'expert:expert_9'"),
      0u);
  EXPECT_NE(error_message([&] { models.model("arow"); }).find("did you mean 'arrow'"), std::string::npos);
  EXPECT_TRUE(models.problems().empty());
}

TEST_F(ModelRegistryTest, RequestsDescribeRoutersAndMixtures) {
  const ModelRegistry models = registry({"arrow"});
  RouterOptions top = parse_router("arrow");
  top.top_k = 1;
  EXPECT_TRUE(at::equal(logits(models.routed(top)), logits(library_.compose(top))));
  EXPECT_TRUE(models.routed(top).shares_state(models.routed(top)));
  EXPECT_TRUE(models.routed(parse_router("arrow")).shares_state(models.model("arrow")));
  EXPECT_TRUE(at::equal(logits(models.routed(parse_router("phatgoose"))), logits("phatgoose")));
  const RoutedModel mixture = models.mixture({{"expert_0", 0.1}, {"expert_3", -2}});
  RouterOptions same = parse_router("mixture");
  set_router_setting(same, "mixture", "expert_3=-2,expert_0=0.1");
  EXPECT_TRUE(at::equal(logits(mixture), logits(library_.compose(same))));
  EXPECT_NE(error_message([&] {
              models.mixture({{"expert_8", 1}});
            }).find("there is no expert 'expert_8'"),
            std::string::npos);
  EXPECT_NE(error_message([&] { models.mixture({}); }).find("'mixture' of router 'mixture' is ''"),
            std::string::npos);
}

TEST_F(ModelRegistryTest, ABaseAloneHasNoExperts) {
  const ModelRegistry models(golden_base("tiny_llama"), std::nullopt, {});
  EXPECT_EQ(models.models().size(), 1u);
  EXPECT_TRUE(at::equal(logits(models.model("base")), logits("base")));
  EXPECT_EQ(error_message([&] { models.routed(parse_router("arrow")); }),
            "router 'arrow' needs experts, and there is none | start the server with --library");
}

TEST_F(ModelRegistryTest, ExpertsAreReadWhenAskedForAndLeaveForOthers) {
  // The largest, of rank 8, and one of rank 4.
  const ModelRegistry models = registry({}, {.expert_memory = 16000, .pinned = {"expert_1"}});
  EXPECT_EQ(models.experts().count(), 1u);
  for (int turn = 0; turn < 2; ++turn) {
    for (const char* name : {"expert:expert_0", "expert:expert_2", "expert:expert_3", "expert:expert_1"}) {
      EXPECT_TRUE(at::equal(logits(models.model(name)), logits(name))) << name;
      EXPECT_LE(models.experts().bytes(), 16000);
    }
  }
  // A mixture that nobody uses any more makes room.
  models.mixture({{"expert_0", 1}, {"expert_1", 1}});
  models.model("expert:expert_2");
  const RoutedModel used = models.model("expert:expert_2");
  EXPECT_NE(refusal(503, [&] { models.model("expert:expert_0"); }).find("no room for expert 'expert_0'"),
            std::string::npos);
  EXPECT_NO_THROW(models.model("expert:expert_1"));
}

TEST_F(ModelRegistryTest, ARouterOverAllNeedsRoomForAll) {
  const std::string message = error_message([&] { registry({"arrow"}, {.expert_memory = 16000}); });
  EXPECT_EQ(message.find("no room for expert 'expert_2'"), 0u) << message;
  EXPECT_NE(message.find("raise --expert-memory"), std::string::npos);
}

TEST_F(ModelRegistryTest, AChangedLibraryIsServedAsOneAndTheOldGoesOn) {
  ModelRegistry models = registry({"uniform"});
  EXPECT_FALSE(models.reload());
  const RoutedModel before = models.model("uniform"), expert = models.model("expert:expert_1");
  const at::Tensor uniform = logits(before), alone = logits(expert);
  library_.library().add(changed_expert(), IfExists::kReplace);
  library_.library().remove("expert_3");
  EXPECT_TRUE(at::equal(logits(models.model("uniform")), uniform));  // not yet
  EXPECT_TRUE(models.reload());
  EXPECT_EQ(models.models().size(), 5u);
  EXPECT_TRUE(at::equal(logits(models.model("uniform")), logits("uniform")));
  EXPECT_TRUE(at::equal(logits(models.model("expert:expert_1")), logits("expert:expert_1")));
  EXPECT_FALSE(at::equal(logits("uniform"), uniform));
  EXPECT_TRUE(at::equal(logits(before), uniform));  // who has it keeps it
  EXPECT_TRUE(at::equal(logits(expert), alone));
  EXPECT_FALSE(models.reload());
}

// An expert that is read late is that of the version served, or there is a new version.
TEST_F(ModelRegistryTest, AnExpertThatChangedBeforeItWasReadBringsTheNewVersion) {
  const ModelRegistry models = registry({"uniform"});
  const RoutedModel held = models.model("expert:expert_1");  // resident, of the old version
  ExpertLibrary& library = library_.library();
  Expert second = test::golden_experts()[2];
  for (auto& [path, lora] : second.modules) lora.b = lora.b * 3;
  const ModelRegistry late(golden_base("tiny_llama"), library, {});
  library.add(second, IfExists::kReplace);
  EXPECT_TRUE(at::equal(logits(late.model("expert:expert_2")), logits("expert:expert_2")));
  library.remove("expert_0");
  EXPECT_EQ(late.models().size(), 5u);  // not looked at
  EXPECT_NE(error_message([&] { late.model("expert:expert_0"); }).find("there is no model"),
            std::string::npos);
  EXPECT_EQ(late.models().size(), 4u);
}

TEST_F(ModelRegistryTest, WhatCannotBeServedLeavesTheOldVersionAndIsSaid) {
  ModelRegistry models = registry({"arrow", "uniform"});
  const at::Tensor arrow = logits(models.model("arrow")), uniform = logits(models.model("uniform"));
  // Trained again, without new prototypes: those it had are gone.
  library_.library().add(changed_expert(), IfExists::kReplace);
  EXPECT_NE(error_message([&] { models.reload(); }).find("expert 'expert_1' has no arrow prototypes"),
            std::string::npos);
  EXPECT_TRUE(at::equal(logits(models.model("arrow")), arrow));
  EXPECT_TRUE(at::equal(logits(models.model("uniform")), uniform));
  ASSERT_EQ(models.problems().size(), 1u);
  EXPECT_EQ(models.problems()[0].find("the library changed and cannot be served as it is: expert 'expert_1'"),
            0u);
  library_.library().put_artefact("expert_1", "arrow", test::golden_artefact(changed_expert(), ".prototype"));
  EXPECT_TRUE(models.reload());
  EXPECT_TRUE(models.problems().empty());
  EXPECT_TRUE(at::equal(logits(models.model("arrow")), logits("arrow")));
  // An expert that cannot be read.
  const fs::path broken = fs::path(library_ / "library") / "expert_2" / "adapter_model.safetensors";
  write_file_atomic(broken, "no weights");
  EXPECT_FALSE(error_message([&] { models.reload(); }).empty());
  EXPECT_EQ(models.problems().size(), 1u);
  EXPECT_EQ(models.models().size(), 7u);
}

// Prototypes of other weights, as a crash between two steps of a training leaves them.
TEST_F(ModelRegistryTest, AStaleExpertIsLeftOutOfTokenRoutersFromTheStart) {
  const fs::path artefact = fs::path(library_ / "library") / "expert_1" / "artefacts" / "arrow.safetensors";
  const fs::path other = fs::path(library_ / "library") / "expert_2" / "artefacts" / "arrow.safetensors";
  fs::copy_file(other, artefact, fs::copy_options::overwrite_existing);
  ModelRegistry models = registry({"arrow", "uniform"});
  EXPECT_EQ(models.model("arrow").expert_names(),
            (std::vector<std::string>{"expert_0", "expert_2", "expert_3"}));
  EXPECT_EQ(models.model("uniform").expert_names().size(), 4u);
  ASSERT_EQ(models.problems().size(), 1u);
  EXPECT_EQ(models.problems()[0].find("router 'arrow' is without expert 'expert_1': "), 0u);
  library_.library().remove("expert_3");  // another change does not trip over it
  EXPECT_TRUE(models.reload());
  EXPECT_EQ(models.model("arrow").expert_names(), (std::vector<std::string>{"expert_0", "expert_2"}));
}

TEST_F(ModelRegistryTest, AWatchServesTheNewVersionByItself) {
  using namespace std::chrono_literals;
  const auto wait_for = [](const std::function<bool()>& condition) {
    for (int turn = 0; turn < 400 && !condition(); ++turn) std::this_thread::sleep_for(25ms);
    return condition();
  };
  const auto models = std::make_shared<ModelRegistry>(golden_base("tiny_llama"), library_.library(),
                                                      RegistryOptions{.routers = {parse_router("arrow")}});
  std::atomic<bool> is_asked = false;
  {
    const LibraryWatch watch(models, 0ms, [&] { return is_asked.exchange(false); });
    library_.library().remove("expert_3");
    std::this_thread::sleep_for(250ms);
    EXPECT_EQ(models->models().size(), 6u);  // nobody asked
    is_asked = true;
    EXPECT_TRUE(wait_for([&] { return models->models().size() == 5; }));
  }
  const LibraryWatch watch(models, 30ms);
  library_.library().add(changed_expert(), IfExists::kReplace);
  EXPECT_TRUE(wait_for([&] { return models->problems().size() == 1; }));
  library_.library().put_artefact("expert_1", "arrow", test::golden_artefact(changed_expert(), ".prototype"));
  EXPECT_TRUE(wait_for([&] { return models->problems().empty(); }));
  EXPECT_TRUE(at::equal(logits(models->model("arrow")), logits("arrow")));
}

// Requests that come while experts leave, the library changes, and adapters are loaded and dropped: each is
// served an expert as it was at one time.
TEST_F(ModelRegistryTest, ThreadsAskWhileEverythingChanges) {
  fs::create_directories(library_ / "root");
  save_expert(changed_expert(), library_ / "root" / "own");
  ModelRegistry models = registry({}, {.expert_memory = 60000, .loading_root = library_ / "root"});
  const at::Tensor first = logits("expert:expert_1"), other = logits("expert:expert_2");
  library_.library().add(changed_expert(), IfExists::kReplace);
  const at::Tensor second = logits("expert:expert_1");
  std::atomic<bool> is_over = false;
  std::atomic<int> answers = 0, wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      while (!is_over) {
        try {
          const at::Tensor own = logits(models.model("expert:expert_1"));
          wrong += !at::equal(own, first) && !at::equal(own, second);
          wrong += !at::equal(logits(models.model("expert:expert_2")), other);
          models.mixture({{"expert_0", 1}, {"expert_1", 0.25 * i}});
          models.routed(parse_router(i == 0 ? "uniform" : "expert:expert_3"));
        } catch (const ApiError& error) {
          EXPECT_EQ(error.status(), 503) << error.what();  // it changed again and again meanwhile
        }
        ++answers;
      }
    });
  }
  Expert before = test::golden_experts()[1];
  for (int turn = 0; turn < 12; ++turn) {
    library_.library().add(turn % 2 == 0 ? before : changed_expert(), IfExists::kReplace);
    models.reload();
    models.load_adapter("a", "own", true);
    EXPECT_TRUE(at::equal(logits(models.model("a")), second));
    models.unload_adapter("a");
  }
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(answers, 3);
}

TEST_F(ModelRegistryTest, AThousandExpertsAreNotRead) {
  ExpertLibrary many = ExpertLibrary::create((library_ / "many").string());
  Expert expert = test::golden_experts()[0];
  const fs::path root = library_ / "many";
  expert.info.tasks = {};
  many.add(expert);
  for (int i = 0; i < 1000; ++i)
    fs::copy(root / "expert_0", root / ("copy_" + std::to_string(i)), fs::copy_options::recursive);
  write_file_atomic(root / "copy_7" / "adapter_model.safetensors", "not read");
  const auto start = std::chrono::steady_clock::now();
  const ModelRegistry models(golden_base("tiny_llama"), many, {.expert_memory = 50 * 10240});
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
  EXPECT_EQ(models.models().size(), 1002u);
  EXPECT_EQ(models.experts().count(), 0u);
  for (int i = 100; i < 300; ++i) models.model("expert:copy_" + std::to_string(i));
  EXPECT_LE(models.experts().bytes(), 50 * 10240);
  EXPECT_GE(models.experts().count(), 40u);
}

class AdapterLoadingTest : public ModelRegistryTest {
 protected:
  // Adapters of PEFT and of Quiver.
  static fs::path made(const fs::path& root, const Expert& own) {
    fs::create_directories(root);
    fs::copy(test::golden_path("tiny_llama_expert"), root / "peft", fs::copy_options::recursive);
    fs::permissions(root / "peft", fs::perms::owner_all);
    save_expert(own, root / "own");
    return root;
  }

  const fs::path root_ = made(library_ / "root", changed_expert());
  ModelRegistry models_ = registry({"uniform"}, {.loading_root = root_});
};

TEST_F(AdapterLoadingTest, AdaptersOfPeftAndExpertsAreServedByTheirNames) {
  models_.load_adapter("from_peft", "peft", false);
  models_.load_adapter("mine", (root_ / "own").string(), false);
  EXPECT_TRUE(at::equal(logits(models_.model("from_peft")), logits("expert:expert_0")));
  library_.library().add(changed_expert(), IfExists::kReplace);
  EXPECT_TRUE(at::equal(logits(models_.model("expert:mine")), logits("expert:expert_1")));
  EXPECT_EQ(models_.models().back().id, "mine");
  EXPECT_EQ(models_.models().back().root, fs::canonical(root_ / "own").string());
  EXPECT_TRUE(models_.reload());  // they stay
  RouterOptions both = parse_router("mixture");
  set_router_setting(both, "mixture", "expert_0=1,expert_1=0.5");
  EXPECT_TRUE(
      at::equal(logits(models_.mixture({{"from_peft", 1}, {"mine", 0.5}})), logits(library_.compose(both))));
  const RoutedModel held = models_.model("mine");
  models_.unload_adapter("mine");
  EXPECT_EQ(error_message([&] { models_.model("mine"); }).find("there is no model 'mine'"), 0u);
  EXPECT_TRUE(at::equal(logits(held), logits("expert:expert_1")));
  EXPECT_EQ(refusal(404, [&] { models_.unload_adapter("mine"); }), "the adapter 'mine' was not loaded");
  EXPECT_EQ(refusal(404, [&] { models_.unload_adapter("expert_0"); }),
            "the adapter 'expert_0' was not loaded; the expert of that name is the library's");
}

TEST_F(AdapterLoadingTest, ReplacingGivesNewRequestsTheNewOne) {
  models_.load_adapter("a", "peft", false);
  const RoutedModel held = models_.model("a");
  const at::Tensor mixed = logits(models_.mixture({{"a", 1}}));
  EXPECT_NE(refusal(400, [&] { models_.load_adapter("a", "own", false); }).find("has been loaded already"),
            std::string::npos);
  models_.load_adapter("a", "own", true);
  EXPECT_FALSE(at::equal(logits(models_.model("a")), logits(held)));
  EXPECT_FALSE(at::equal(logits(models_.mixture({{"a", 1}})), mixed));
}

TEST_F(AdapterLoadingTest, NamesAndPathsAreChecked) {
  for (const char* name : {"", "base", "uniform", "expert:x", "expert_0", "../x", ".x", "a,b", "a/b"})
    refusal(400, [&] { models_.load_adapter(name, "peft", false); });
  fs::create_directories(library_ / "outside");
  fs::copy(root_ / "peft", library_ / "outside", fs::copy_options::recursive);
  fs::create_directory_symlink(library_ / "outside", root_ / "link");
  const std::string outside = fs::path(library_ / "outside").string();
  for (const std::string& path :
       {std::string("../outside"), outside, std::string("link"), std::string("/"), std::string("."),
        std::string("peft/../../outside"), std::string(""), std::string("peft\0x", 6)})
    refusal(400, [&] { models_.load_adapter("x", path, false); });
  refusal(404, [&] { models_.load_adapter("x", "nowhere", false); });
  refusal(404, [&] { models_.load_adapter("x", "peft/adapter_config.json", false); });
  // Files that lead out.
  fs::create_directories(root_ / "half");
  fs::copy_file(root_ / "peft" / "adapter_config.json", root_ / "half" / "adapter_config.json");
  fs::create_symlink(library_ / "outside" / "adapter_model.safetensors",
                     root_ / "half" / "adapter_model.safetensors");
  EXPECT_NE(
      refusal(400, [&] { models_.load_adapter("x", "half", false); })
          .find("'adapter_model.safetensors' of the adapter 'half' leads out of the server's --loading-root"),
      std::string::npos);
  EXPECT_EQ(models_.models().size(), 6u);
}

TEST_F(AdapterLoadingTest, ATensorThatWouldDoNothingIsAnError) {
  const fs::path file = root_ / "peft" / "adapter_model.safetensors";
  std::map<std::string, at::Tensor> tensors;
  {
    const SafetensorsFile held = SafetensorsFile::open(file);
    for (const std::string& name : held.names()) tensors[name] = held.read(name).clone();
  }
  const std::string extra = "base_model.model.model.layers.7.self_attn.q_proj.lora_";
  tensors[extra + "A.weight"] = at::ones({4, 32});
  tensors[extra + "B.weight"] = at::ones({32, 4});
  write_safetensors(file, tensors);
  EXPECT_NE(refusal(400, [&] { models_.load_adapter("x", "peft", false); }).find("layers.7.self_attn.q_proj"),
            std::string::npos);
  tensors.erase(extra + "A.weight");
  tensors.erase(extra + "B.weight");
  tensors["base_model.model.model.layers.0.self_attn.q_proj.bias"] = at::ones({32});
  write_safetensors(file, tensors);
  EXPECT_NE(refusal(400, [&] { models_.load_adapter("x", "peft", false); }).find("bias"), std::string::npos);
}

TEST_F(AdapterLoadingTest, TheRoutesTakeVllmsBodies) {
  const auto models = std::make_shared<ModelRegistry>(golden_base("tiny_llama"), library_.library(),
                                                      RegistryOptions{.loading_root = root_});
  Routes routes;
  add_adapter_routes(routes, models);
  const auto post = [&](const std::string& path, const Json& body) {
    const HttpRequest request{.method = "POST",
                              .path = path,
                              .headers = {{"content-type", "application/json"}},
                              .body = dump_json(body)};
    const auto exchange = std::make_shared<test::KeptExchange>(request);
    routes.handle(exchange);
    return std::to_string(exchange->response().status) + " " + exchange->response().body;
  };
  EXPECT_EQ(post("/v1/load_lora_adapter", {{"lora_name", "a"}, {"lora_path", "peft"}}),
            "200 Success: LoRA adapter 'a' added successfully.");
  EXPECT_EQ(models->models().back().id, "a");
  EXPECT_EQ(post("/v1/load_lora_adapter", {{"lora_name", "a"}, {"lora_path", "own"}}).substr(0, 4), "400 ");
  EXPECT_EQ(post("/v1/load_lora_adapter",
                 {{"lora_name", "a"}, {"lora_path", "own"}, {"load_inplace", true}, {"base_model_name", "b"}})
                .substr(0, 4),
            "200 ");
  const std::string wrong =
      post("/v1/load_lora_adapter", {{"lora_nam", "a"}, {"lora_name", "b"}, {"lora_path", "own"}});
  EXPECT_NE(wrong.find("lora_nam"), std::string::npos) << wrong;
  EXPECT_EQ(wrong.substr(0, 4), "400 ");
  for (const Json& body :
       {Json{{"lora_name", "b"}}, Json{{"lora_path", "own"}}, Json{{"lora_name", ""}, {"lora_path", "own"}},
        Json{{"lora_name", 3}, {"lora_path", "own"}}})
    EXPECT_EQ(post("/v1/load_lora_adapter", body).substr(0, 4), "400 ") << body;
  EXPECT_EQ(post("/v1/unload_lora_adapter", {{"lora_name", "a"}, {"lora_int_id", 1}}),
            "200 Success: LoRA adapter 'a' removed successfully.");
  EXPECT_EQ(post("/v1/unload_lora_adapter", {{"lora_name", "a"}}).substr(0, 4), "404 ");
}

TEST_F(AdapterLoadingTest, NeedsALoadingRoot) {
  ModelRegistry closed = registry();
  EXPECT_EQ(refusal(403, [&] { closed.load_adapter("x", "peft", false); }),
            "this server loads no adapters; start it with --allow-loading");
}

}  // namespace
}  // namespace quiver
