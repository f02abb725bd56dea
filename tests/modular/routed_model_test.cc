// Composing, saving and loading routed models, and what is refused.
#include "quiver/routed_model.h"

#include <ATen/core/grad_mode.h>

#include <fstream>

#include "modular/routed_fixture.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

using test::error_message;
using test::golden_base;

ErrorKind error_kind(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "expected a quiver::Error";
  return ErrorKind::kIo;
}

class RoutedModelTest : public testing::Test {
 protected:
  std::string compose_error(const std::string& router) {
    return error_message([&] { library_.compose(router); });
  }

  at::Tensor logits(const RoutedModel& model) const {
    const at::NoGradGuard no_gradients;
    const std::string tasks[] = {"task_1", "task_3"};
    return model.base().logits(model.forward(test::batch_of({{5, 90, 200, 7}, {33, 1}}), tasks));
  }

  test::GoldenLibrary library_;
};

TEST_F(RoutedModelTest, ALoadedModelGivesTheSameBits) {
  RouterOptions defaulted = parse_router("oracle");
  defaulted.default_expert = "expert_2";
  RouterOptions arrow = parse_router("arrow");
  arrow.top_k = 2;
  arrow.temperature = 0.5;
  arrow.combine = Combine::kOutput;
  std::vector<RouterOptions> routers = {defaulted, arrow};
  for (const char* name : {"base", "oracle", "uniform", "arrow", "phatgoose", "expert:expert_1"})
    routers.push_back(parse_router(name));
  for (const RouterOptions& router : routers) {
    SCOPED_TRACE(dump_json(to_json(router)));
    const RoutedModel model = library_.compose(router);
    model.save(library_ / "saved");  // replaces the one before
    EXPECT_TRUE(RoutedModel::is_saved_model(library_ / "saved"));
    for (const bool own_base : {false, true}) {
      const RoutedModel loaded =
          RoutedModel::load(library_ / "saved", own_base ? nullptr : golden_base("tiny_llama"));
      EXPECT_TRUE(at::equal(logits(loaded), logits(model)));
      EXPECT_EQ(to_json(loaded.router()), to_json(router));
      EXPECT_EQ(loaded.expert_names(), model.expert_names());
      EXPECT_EQ(loaded.base().fingerprint(), model.base().fingerprint());
    }
  }
}

TEST_F(RoutedModelTest, TheOracleKnowsItsTasksAfterLoading) {
  library_.compose("oracle").save(library_ / "saved");
  const RoutedModel loaded = RoutedModel::load(library_ / "saved", golden_base("tiny_llama"));
  const auto weights = loaded.route("an arrow", "task_3");
  ASSERT_EQ(weights.size(), 6u);
  const at::Tensor expected = at::tensor({0.0f, 0.0f, 0.0f, 1.0f}).expand_as(weights.begin()->second);
  for (const auto& [path, slot] : weights) EXPECT_TRUE(at::equal(slot, expected)) << path;
  EXPECT_EQ(error_message([&] { loaded.bind({}, "task_33"); }),
            error_message([&] { library_.compose("oracle").bind({}, "task_33"); }));
}

TEST_F(RoutedModelTest, ASavedModelStandsWithoutItsLibrary) {
  const RoutedModel model = library_.compose("phatgoose");
  model.save(library_ / "saved");
  for (const std::string& name : library_.library().names()) library_.library().remove(name);
  EXPECT_TRUE(at::equal(logits(RoutedModel::load(library_ / "saved")), logits(model)));
}

TEST_F(RoutedModelTest, ComposeAllGivesWhatComposeGives) {
  const std::vector<RouterOptions> routers = {parse_router("arrow"), parse_router("base"),
                                              parse_router("uniform")};
  const std::vector<RoutedModel> models =
      RoutedModel::compose_all(golden_base("tiny_llama"), library_.library(), routers);
  ASSERT_EQ(models.size(), 3u);
  for (std::size_t i = 0; i < routers.size(); ++i)
    EXPECT_TRUE(at::equal(logits(models[i]), logits(library_.compose(routers[i]))));
  EXPECT_TRUE(models[1].expert_names().empty());
}

TEST_F(RoutedModelTest, OtherMixingOfTheSameVectorsIsWhatComposeGives) {
  for (const char* name : {"arrow", "phatgoose"}) {
    RouterOptions options = parse_router(name);
    options.top_k = 3;
    options.temperature = 0.5;
    options.combine = Combine::kOutput;
    const std::optional<RoutedModel> mixed = library_.compose(name).with_mixing(options);
    ASSERT_TRUE(mixed);
    EXPECT_TRUE(at::equal(logits(*mixed), logits(library_.compose(options))));
    EXPECT_EQ(to_json(mixed->router()), to_json(options));
    EXPECT_FALSE(library_.compose(name).with_mixing(parse_router("uniform")));
    options.top_k = 9;
    EXPECT_NE(error_message([&] { library_.compose(name).with_mixing(options); }), "");
  }
  RouterOptions scaled = parse_router("arrow");
  set_router_setting(scaled, "scale", "yes");
  EXPECT_FALSE(library_.compose("arrow").with_mixing(scaled));
  EXPECT_FALSE(library_.compose("uniform").with_mixing(parse_router("uniform")));
}

TEST_F(RoutedModelTest, RouteSaysWhatTheRoutersWithoutVectorsDo) {
  EXPECT_TRUE(library_.compose("base").route("an arrow").empty());
  for (const auto& [path, weights] : library_.compose("uniform").route("an arrow"))
    EXPECT_TRUE((weights == 0.25).all().item<bool>()) << path;
  for (const auto& [path, weights] : library_.compose("expert:expert_2").route("an arrow"))
    EXPECT_TRUE(at::equal(weights, at::ones({weights.size(0), 1}))) << path;  // of the expert read
}

TEST_F(RoutedModelTest, UnknownTasks) {
  const RoutedModel oracle = library_.compose("oracle");
  EXPECT_EQ(error_message([&] { oracle.bind({}, "task_"); }).find("no expert was trained on task 'task_'"),
            0u);
  EXPECT_NE(error_message([&] { oracle.bind({}, "task_"); }).find("did you mean 'task_0'"),
            std::string::npos);
  EXPECT_EQ(error_message([&] { oracle.bind({}, "summarization"); }),
            "no expert was trained on task 'summarization' | give --default-expert, or route with arrow or "
            "uniform");
  EXPECT_NE(error_message([&] {
              oracle.forward(test::batch_of({{1}}));
            }).find("the oracle router needs a task name for every text"),
            std::string::npos);
}

TEST_F(RoutedModelTest, OptionsThatDoNotFitTheLibrary) {
  RouterOptions router = parse_router("arrow");
  router.top_k = 5;
  EXPECT_NE(error_message([&] {
              library_.compose(router);
            }).find("top_k 5 of router 'arrow' is above the number of experts, 4"),
            std::string::npos);
  EXPECT_EQ(compose_error("expert:expert_9").find("expert 'expert_9' is not among the experts"), 0u);
  ExpertLibrary empty = ExpertLibrary::create((library_ / "empty").string());
  EXPECT_EQ(
      error_message([&] { RoutedModel::compose(golden_base("tiny_llama"), empty, parse_router("uniform")); }),
      "library " + empty.uri() +
          " has no expert | train one with `quiver train`, or import one with `quiver library import`");
}

TEST_F(RoutedModelTest, OneExpertNeedsNoOther) {
  // Of another base, and one whose weights are damaged.
  Expert foreign = test::golden_experts()[0];
  foreign.info.name = "a_foreign";
  foreign.info.tasks = {"foreign"};
  foreign.info.base_fingerprint = "another";
  library_.library().add(foreign);
  const at::Tensor alone = library_.compose("expert:expert_1").route("ab").begin()->second;
  EXPECT_EQ(alone.size(1), 1);
  EXPECT_EQ(library_.compose("expert:expert_1").expert_names(), (std::vector<std::string>{"expert_1"}));
  EXPECT_EQ(compose_error("expert:a_foreign").find("expert 'a_foreign' was trained on"), 0u);
  EXPECT_EQ(compose_error("uniform").find("expert 'a_foreign' was trained on"), 0u);
  library_.library().remove("a_foreign");
  fs::resize_file((library_ / "library") / "expert_2/adapter_model.safetensors", 100);
  EXPECT_NO_THROW(library_.compose("expert:expert_1"));
  EXPECT_NE(compose_error("expert:expert_2"), "");
}

TEST_F(RoutedModelTest, MissingPrototypesNameTheCommand) {
  Expert late = test::golden_experts()[0];
  late.info.name = "late";
  late.info.tasks = {"late"};
  library_.library().add(late);
  EXPECT_EQ(compose_error("arrow"), "expert 'late' has no arrow prototypes in " + library_.library().uri() +
                                        " | compute them with `quiver prototypes arrow " +
                                        library_.library().uri() + "`");
  EXPECT_EQ(compose_error("phatgoose").find("expert 'late' has no phatgoose prototypes"), 0u);
  EXPECT_NO_THROW(library_.compose("oracle"));
}

TEST_F(RoutedModelTest, PrototypesThatCannotRoute) {
  const std::string slot = "model.layers.1.self_attn.k_proj";
  const Artefact good = *library_.library().find_artefact("expert_2", "arrow");
  Artefact bad = good;
  bad.tensors[slot] = at::zeros({32});
  library_.library().put_artefact("expert_2", "arrow", bad);
  EXPECT_NE(
      compose_error("arrow").find("the prototype of expert 'expert_2' in slot '" + slot + "' is all zeros"),
      std::string::npos);
  for (const at::Tensor& other : {at::ones({31}), at::ones({32, 1}), at::ones({0})}) {
    bad.tensors[slot] = other;
    library_.library().put_artefact("expert_2", "arrow", bad);
    EXPECT_EQ(
        compose_error("arrow").find("expert 'expert_2' has no arrow prototype of width 32 for '" + slot), 0u);
  }
  bad.tensors.erase(slot);
  library_.library().put_artefact("expert_2", "arrow", bad);
  EXPECT_EQ(compose_error("arrow").find("expert 'expert_2' has no arrow prototype of width 32 for '" + slot),
            0u);
}

TEST_F(RoutedModelTest, PrototypesOfOtherWeightsAreStale) {
  // Weights exchanged behind the library's back: its own replacement discards the artefacts.
  Expert other = test::golden_experts()[1];
  for (auto& [path, weights] : other.modules) weights.b = weights.b * 2.0;
  save_expert(other, library_ / "other");
  for (const char* file : {"adapter_model.safetensors", "expert.json"}) {
    fs::copy_file((library_ / "other") / file, (library_ / "library") / "expert_1" / file,
                  fs::copy_options::overwrite_existing);
  }
  EXPECT_EQ(error_kind([&] { library_.compose("arrow"); }), ErrorKind::kStale);
  EXPECT_NE(compose_error("arrow").find("expert_1"), std::string::npos);
}

TEST_F(RoutedModelTest, ExpertsOfAnotherBase) {
  const auto compose = [&](const std::string& base) {
    return error_message(
        [&] { RoutedModel::compose(golden_base(base), library_.library(), parse_router("uniform")); });
  };
  EXPECT_NE(compose("tiny_llama_untied").find("expert_0"), std::string::npos);
  // Of unknown origin: modules and shapes decide.
  Expert unknown = test::golden_experts()[0];
  unknown.info.base_fingerprint.clear();
  ExpertLibrary imports = ExpertLibrary::create((library_ / "imports").string());
  imports.add(unknown);
  EXPECT_NE(error_message([&] {
              RoutedModel::compose(golden_base("tiny_gpt_neo"), imports, parse_router("uniform"));
            }).find("expert 'expert_0' adapts 'model.layers.0.self_attn.k_proj', which the base model"),
            std::string::npos);
  for (auto& [path, weights] : unknown.modules) weights.b = at::ones({24, weights.a.size(0)});
  imports.add(unknown, IfExists::kReplace);
  EXPECT_EQ(
      error_message(
          [&] { RoutedModel::compose(golden_base("tiny_llama"), imports, parse_router("uniform")); }),
      "expert 'expert_0' has a (24 x 32) update for 'model.layers.0.self_attn.k_proj', the base model's "
      "layer is (16 x 32) | the expert was trained on another base model");
}

TEST_F(RoutedModelTest, TwoExpertsOfOneTask) {
  Expert twin = test::golden_experts()[0];
  twin.info.name = "twin";
  library_.library().add(twin);
  EXPECT_EQ(compose_error("oracle"),
            "the experts 'expert_0' and 'twin' were both trained on task 'task_0' | keep them in different "
            "libraries");
}

TEST_F(RoutedModelTest, SaveRefusesAFolderOfSomethingElse) {
  fs::create_directory(library_ / "mine");
  std::ofstream((library_ / "mine") / "thesis.txt") << "years of work";
  EXPECT_EQ(error_kind([&] { library_.compose("uniform").save(library_ / "mine"); }),
            ErrorKind::kAlreadyExists);
  EXPECT_TRUE(fs::exists((library_ / "mine") / "thesis.txt"));
  EXPECT_FALSE(RoutedModel::is_saved_model(library_ / "mine"));
}

// Saved models that somebody damaged.
class DamagedModelTest : public RoutedModelTest {
 protected:
  void SetUp() override { library_.compose("arrow").save(directory()); }
  fs::path directory() const { return library_ / "saved"; }

  void edit_json(const std::function<void(Json&)>& edit) {
    SetUp();
    Json json = read_json_file(directory() / "quiver_model.json");
    edit(json);
    write_file_atomic(directory() / "quiver_model.json", dump_json(json));
  }
  void edit_tensors(const std::function<void(std::map<std::string, at::Tensor>&)>& edit) {
    SetUp();
    std::map<std::string, at::Tensor> tensors;
    const SafetensorsFile file = SafetensorsFile::open(directory() / "experts.safetensors");
    for (const std::string& name : file.names()) tensors[name] = file.read(name);
    edit(tensors);
    write_safetensors(directory() / "experts.safetensors", tensors);
  }
  std::string load_error(const std::string& base = "tiny_llama") {
    return error_message([&] { RoutedModel::load(directory(), golden_base(base)); });
  }
};

TEST_F(DamagedModelTest, AnotherBase) {
  EXPECT_NE(load_error("tiny_llama_untied").find("was composed with another base model than"),
            std::string::npos);
  edit_json([](Json& json) { json["base"]["path"] = "nowhere"; });
  EXPECT_NE(error_message([&] { RoutedModel::load(directory()); }).find("its base 'nowhere' is not there"),
            std::string::npos);
}

TEST_F(DamagedModelTest, NumbersThatAreNotFinite) {
  const std::string slot = "model.layers.1.self_attn.v_proj";
  for (const std::string& name :
       {"experts.2." + slot + ".a", "experts.2." + slot + ".b", slot + ".routing"}) {
    edit_tensors(
        [&](std::map<std::string, at::Tensor>& tensors) { tensors.at(name).view(-1)[3] = INFINITY; });
    EXPECT_EQ(load_error(), "experts.safetensors: '" + name + "' holds numbers that are not finite");
  }
}

TEST_F(DamagedModelTest, BrokenDescription) {
  edit_json([](Json& json) { json["format"] = 3; });
  EXPECT_NE(load_error().find("format 3 is not known"), std::string::npos);
  for (const char* key : {"format", "base", "router", "experts"}) {
    edit_json([&](Json& json) { json.erase(key); });
    EXPECT_NE(load_error().find("'" + std::string(key) + "' is missing"), std::string::npos);
  }
  for (const Json& experts : {Json(7), Json("many"), Json::array({1, 2}), Json::array(), Json::object()}) {
    edit_json([&](Json& json) { json["experts"] = experts; });
    EXPECT_NE(load_error(), "") << experts;
  }
  edit_json([](Json& json) { json["experts"].erase(0); });
  EXPECT_NE(load_error().find("belongs to none of the 3 experts in quiver_model.json"), std::string::npos);
  edit_json([](Json& json) { json["router"]["top_k"] = 5; });
  EXPECT_NE(load_error().find("top_k 5"), std::string::npos);
  write_file_atomic(directory() / "quiver_model.json", "{");
  EXPECT_NE(load_error().find("quiver_model.json"), std::string::npos);
}

TEST_F(DamagedModelTest, BrokenTensors) {
  const std::string slot = "model.layers.0.self_attn.q_proj", expert = "experts.1." + slot;
  edit_tensors([&](auto& tensors) { tensors.erase(expert + ".b"); });
  EXPECT_EQ(load_error(), "experts.safetensors: tensor '" + expert + ".b' is missing");
  edit_tensors([&](auto& tensors) { tensors.erase(slot + ".routing"); });
  EXPECT_EQ(load_error(), "experts.safetensors: tensor '" + slot + ".routing' is missing");
  edit_tensors([&](auto& tensors) { tensors[slot + ".routing"] = at::ones({3, 32}); });
  EXPECT_EQ(load_error(), "experts.safetensors: tensor '" + slot + ".routing' has another shape or type");
  for (const at::Tensor& other : {at::ones({8, 31}), at::ones({8}), at::ones({8, 32}, at::kDouble)}) {
    edit_tensors([&](auto& tensors) { tensors[expert + ".a"] = other; });
    EXPECT_EQ(load_error(), "experts.safetensors: tensor '" + expert + ".a' has another shape or type");
  }
  edit_tensors([&](auto& tensors) { tensors[expert + ".a"] = at::ones({7, 32}); });
  EXPECT_EQ(load_error(), "experts.safetensors: '" + expert + "' has A and B of different rank");
  edit_tensors([&](auto& tensors) { tensors[slot + ".routing"].zero_(); });
  EXPECT_NE(load_error().find("is all zeros"), std::string::npos);
  edit_tensors([](auto& tensors) { tensors = {{"unrelated", at::ones({1})}}; });
  EXPECT_NE(load_error().find("holds no expert weights"), std::string::npos);
}

}  // namespace
}  // namespace quiver
