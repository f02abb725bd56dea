#include "quiver/expert.h"

#include <fstream>
#include <limits>

#include "core/json.h"
#include "support/expert_fixture.h"
#include "support/test_support.h"

namespace fs = std::filesystem;

namespace quiver::test {
namespace {

void expect_equal_weights(const Expert& expected, const Expert& actual) {
  ASSERT_EQ(expected.modules.size(), actual.modules.size());
  for (const auto& [path, weights] : expected.modules) {
    ASSERT_TRUE(actual.modules.contains(path)) << path;
    const LoraWeights& other = actual.modules.at(path);
    EXPECT_TRUE(at::equal(weights.a, other.a)) << path;
    EXPECT_TRUE(at::equal(weights.b, other.b)) << path;
    EXPECT_DOUBLE_EQ(weights.scale, other.scale) << path;
  }
}

TEST(Expert, SavedAndLoadedItIsTheSame) {
  const ScratchDirectory scratch;
  const Expert expert = make_expert("poetry");
  save_expert(expert, scratch / "anything/");
  const Expert loaded = load_expert(scratch / "anything");
  expect_equal_weights(expert, loaded);
  EXPECT_EQ(loaded.info.name, "poetry");
  EXPECT_EQ(loaded.info.tasks, expert.info.tasks);
  EXPECT_EQ(loaded.info.base_model, "tiny-llama");
  EXPECT_EQ(loaded.info.base_fingerprint, expert.info.base_fingerprint);
  EXPECT_EQ(loaded.info.training, expert.info.training);
  EXPECT_EQ(loaded.info.metrics, expert.info.metrics);
  EXPECT_EQ(loaded.info.lora.rank, 2);
  EXPECT_EQ(loaded.info.lora.alpha, 8);
  EXPECT_EQ(loaded.info.lora.dropout, 0.05);
  EXPECT_EQ(loaded.info.lora.modify_modules, ".*self_attn");
  EXPECT_EQ(loaded.info.lora.modify_layers, "q_proj|v_proj");
  EXPECT_TRUE(loaded.info.lora.init_b_random);
  EXPECT_EQ(expert_digest(loaded), expert_digest(expert));
}

TEST(Expert, WrittenConfigIsPefts) {
  const ScratchDirectory scratch;
  save_expert(make_expert("poetry"), scratch / "x");
  const Json config = read_json_file(scratch / "x" / "adapter_config.json");
  EXPECT_EQ(config["peft_type"], "LORA");
  EXPECT_EQ(config["task_type"], "CAUSAL_LM");
  EXPECT_EQ(config["r"], 2);
  EXPECT_EQ(config["lora_alpha"], 8);
  EXPECT_EQ(config["target_modules"], Json({"q_proj", "v_proj"}));
  EXPECT_EQ(config["rank_pattern"], Json::object());
  EXPECT_EQ(config["alpha_pattern"], Json::object());
}

TEST(Expert, TargetsKeepTheirPathsWhereALocalNameIsNotTheWholeStory) {
  const ScratchDirectory scratch;
  Expert expert = make_expert("x");
  expert.modules.erase("model.layers.0.self_attn.v_proj");
  expert.modules["lm_head"] = make_weights(2, 6, 9, 4, 0);
  save_expert(expert, scratch / "x");
  EXPECT_EQ(read_json_file(scratch / "x" / "adapter_config.json")["target_modules"],
            Json({"lm_head", "model.layers.1.self_attn.v_proj", "q_proj"}));
}

TEST(Expert, ModulesOfOtherRankAndScaleGetPatterns) {
  const ScratchDirectory scratch;
  Expert expert = make_expert("x");
  expert.modules["model.layers.1.self_attn.q_proj"] = make_weights(3, 6, 6, 10.0 / 3.0, 1);
  save_expert(expert, scratch / "x");
  const Json config = read_json_file(scratch / "x" / "adapter_config.json");
  EXPECT_EQ(config["r"], 2);
  EXPECT_EQ(config["rank_pattern"], Json({{"^model.layers.1.self_attn.q_proj", 3}}));
  EXPECT_EQ(config["alpha_pattern"], Json({{"^model.layers.1.self_attn.q_proj", 10.0}}));
  expect_equal_weights(expert, load_expert(scratch / "x"));
}

TEST(Expert, DigestFollowsWeightsAndScalesOnly) {
  const Expert expert = make_expert("a");
  EXPECT_EQ(expert_digest(expert), expert_digest(make_expert("b")));
  EXPECT_NE(expert_digest(expert), expert_digest(make_expert("a", 0.75)));
  Expert scaled = make_expert("a");
  scaled.modules.begin()->second.scale *= 1.5;
  EXPECT_NE(expert_digest(expert), expert_digest(scaled));
  Expert renamed = make_expert("a");
  auto node = renamed.modules.extract(renamed.modules.begin());
  node.key() = "other";
  renamed.modules.insert(std::move(node));
  EXPECT_NE(expert_digest(expert), expert_digest(renamed));
}

TEST(Expert, SavingReplacesAnExpertAndNothingElse) {
  const ScratchDirectory scratch;
  save_expert(make_expert("old"), scratch / "x");
  save_expert(make_expert("new"), scratch / "x");
  EXPECT_EQ(load_expert(scratch / "x").info.name, "new");
  std::ofstream(scratch / "x" / "notes.txt") << "mine";
  EXPECT_NE(error_message([&] { save_expert(make_expert("y"), scratch / "x"); }).find("is not an expert"),
            std::string::npos);
  EXPECT_TRUE(fs::exists(scratch / "x" / "notes.txt"));
  EXPECT_NE(error_message([&] {
              save_expert(make_expert("y"), scratch / "x" / "notes.txt");
            }).find("exists and is not a folder"),
            std::string::npos);
}

TEST(Expert, WeightsThatCannotBeRightAreNotSaved) {
  const ScratchDirectory scratch;
  const auto message = [&](auto&& spoil) {
    Expert expert = make_expert("bad");
    spoil(expert.modules.begin()->second);
    const std::string text = error_message([&] { save_expert(expert, scratch / "x"); });
    EXPECT_FALSE(fs::exists(scratch / "x"));
    EXPECT_NE(text.find("expert 'bad', module 'model.layers.0.self_attn.q_proj': "), std::string::npos)
        << text;
    return text.substr(text.rfind(": ") + 2);
  };
  EXPECT_EQ(message([](LoraWeights& w) { w.b = at::Tensor(); }), "A or B is missing");
  EXPECT_EQ(message([](LoraWeights& w) { w.a = w.a.to(at::kHalf); }), "not float32");
  EXPECT_EQ(message([](LoraWeights& w) { w.b = at::zeros({6, 5}); }), "A (2, 6) and B (6, 5) do not fit");
  EXPECT_EQ(message([](LoraWeights& w) { w.scale = 0; }), "scale 0.000000");
  EXPECT_EQ(
      message([](LoraWeights& w) { w.b = at::full_like(w.b, std::numeric_limits<float>::quiet_NaN()); }),
      "numbers that are not finite");
  Expert empty;
  empty.info.name = "none";
  EXPECT_EQ(error_message([&] { save_expert(empty, scratch / "x"); }), "expert 'none' has no modules");
}

TEST(Expert, ABaseOfOtherWeightsIsRefused) {
  ExpertInfo info = make_expert("poetry").info;
  check_base(info, info.base_fingerprint, "tiny-llama");
  EXPECT_EQ(
      error_message([&] { check_base(info, "fedcba9876543210", "other-llama"); }),
      "expert 'poetry' was trained on 'tiny-llama' (weights 0123456789ab), not on 'other-llama' (weights "
      "fedcba987654) | give the base model that the expert was trained on");
  info.base_fingerprint.clear();
  check_base(info, "fedcba9876543210", "other-llama");
}

TEST(Expert, ABrokenRecordIsTheFilesFault) {
  const ScratchDirectory scratch;
  save_expert(make_expert("x"), scratch / "x");
  const auto message = [&](const std::string& key, const Json& value) {
    Json record = read_json_file(scratch / "x" / "expert.json");
    record[key] = value;
    std::ofstream(scratch / "y.json") << record;
    fs::remove_all(scratch / "y");
    fs::copy(scratch / "x", scratch / "y");
    fs::copy_file(scratch / "y.json", scratch / "y" / "expert.json", fs::copy_options::overwrite_existing);
    try {
      load_expert(scratch / "y");
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(),
                key == "format_version" && value == 2 ? ErrorKind::kUnsupported : ErrorKind::kCorruptFile);
      return std::string(e.what());
    }
    return std::string("loaded");
  };
  EXPECT_NE(message("name", nullptr).find("'name' is missing"), std::string::npos);
  EXPECT_NE(message("tasks", "poetry").find("'tasks' has the wrong type: \"poetry\""), std::string::npos);
  EXPECT_NE(message("lora", 3).find("'rank' is missing"), std::string::npos);
  EXPECT_NE(message("format_version", 2).find("format version 2 is newer"), std::string::npos);
}

}  // namespace
}  // namespace quiver::test
