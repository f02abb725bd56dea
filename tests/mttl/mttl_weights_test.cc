// Experts as mttl stores them, good and bad.
#include "mttl/mttl_weights.h"

#include "mttl/mttl_info.h"
#include "support/expert_fixture.h"
#include "support/test_support.h"
#include "tensor/torch_json.h"

namespace quiver::test {
namespace {

const Json kMeta = {{"expert_name", "one"},
                    {"expert_task_name", "a, b"},
                    {"expert_config",
                     {{"class_name", "mttl.models.modifiers.lora.LoRAConfig"},
                      {"lora_rank", 2},
                      {"lora_alpha", 3},
                      {"modify_layers", nullptr}}},
                    {"training_config", {{"model", "base"}, {"seed", 5}}},
                    {"a_future_key", 1}};

MttlInfo parse(const Json& changes = Json::object()) {
  Json meta = kMeta;
  meta.update(changes);
  return parse_mttl_info(meta, "x.meta");
}

TEST(MttlInfo, WhatIsMissingHasMttlsDefault) {
  const MttlInfo parsed = parse();
  EXPECT_EQ(parsed.info.name, "one");
  EXPECT_EQ(parsed.info.tasks, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parsed.info.base_model, "base") << "from the training settings";
  EXPECT_EQ(parsed.info.training.at("seed"), 5);
  EXPECT_EQ(parsed.info.lora.rank, 2);
  EXPECT_EQ(parsed.info.lora.alpha, 3);
  EXPECT_EQ(parsed.info.lora.modify_modules, ".*");
  EXPECT_EQ(parsed.info.lora.modify_layers, "");
  EXPECT_FALSE(parsed.deleted);
  EXPECT_TRUE(parse({{"expert_deleted", true}}).deleted);
  EXPECT_EQ(parse({{"expert_model", "other"}}).info.base_model, "other");
  EXPECT_EQ(parse({{"expert_config", {{"class_name", "lora.LoRAConfig"}}}}).info.lora.alpha, 16);
}

TEST(MttlInfo, ConfigsOfOlderVersions) {
  EXPECT_EQ(parse({{"expert_config", {{"__model_modifier__", "lora"}, {"lora_rank", 7}}}}).info.lora.rank, 7);
  const Json settings = {{"model_modifier", "lora"}, {"lora_rank", 9}, {"model", "base"}};
  EXPECT_EQ(parse({{"expert_config", nullptr}, {"training_config", settings}}).info.lora.rank, 9);
  EXPECT_EQ(parse({{"expert_config", settings}}).info.lora.rank, 9);
}

TEST(MttlInfo, WhatIsNoPlainLoraIsRefusedByName) {
  const auto problem = [](const Json& changes) { return error_message([&] { parse(changes); }); };
  EXPECT_EQ(problem({{"expert_config", {{"class_name", "mttl.x.IA3Config"}}}}),
            "x.meta: the adapter 'IA3Config' is not supported | only plain LoRA can be imported");
  EXPECT_EQ(problem({{"expert_config", {{"__model_modifier__", "poly"}}}}),
            "x.meta: the adapter 'poly' is not supported | only plain LoRA can be imported");
  EXPECT_EQ(problem({{"expert_config", nullptr}}),
            "x.meta: it does not say what kind of adapter this is | only plain LoRA can be imported");
  EXPECT_EQ(problem({{"expert_name", nullptr}}), "x.meta: 'expert_name' is missing");
  EXPECT_EQ(problem({{"expert_task_name", 3}}), "x.meta: 'expert_task_name' has the wrong type: 3");
  EXPECT_EQ(problem({{"training_config", {1}}}), "x.meta: 'training_config' is no dict");
  EXPECT_EQ(problem({{"expert_config", {{"class_name", "LoRAConfig"}, {"lora_alpha", 0}}}}),
            "x.meta: lora_rank 4 and lora_alpha 0.000000 must be positive");
  EXPECT_EQ(error_message([] { parse_mttl_info(Json::array(), "x.meta"); }), "x.meta: not a dict");
}

std::map<std::string, LoraWeights> modules_of(const std::map<std::string, at::Tensor>& tensors,
                                              const std::string& tie_params = "") {
  MttlInfo parsed = parse();
  parsed.tie_params = tie_params;
  return make_lora_modules(tensors, parsed, "x.ckpt");
}

TEST(MttlWeights, AreTurnedAround) {
  const at::Tensor a = at::arange(8, at::kHalf).view({4, 2});
  const at::Tensor b = at::arange(6, at::kFloat).view({2, 3});
  const auto modules = modules_of({{"h.0.q.lora_a", a}, {"h.0.q.lora_b", b}});
  ASSERT_EQ(modules.size(), 1u);
  const LoraWeights& weights = modules.at("h.0.q");
  EXPECT_TRUE(at::equal(weights.a, a.t().to(at::kFloat)));
  EXPECT_TRUE(weights.a.is_contiguous());
  EXPECT_TRUE(at::equal(weights.b, b.t()));
  EXPECT_DOUBLE_EQ(weights.scale, 1.5);
}

TEST(MttlWeights, NamesInsideTheWrapper) {
  const auto module = [](const std::string& path) {
    return modules_of({{path + ".lora_a", at::ones({4, 2})}, {path + ".lora_b", at::ones({2, 3})}})
        .begin()
        ->first;
  };
  EXPECT_EQ(module("model.layers.0.q_proj"), "model.layers.0.q_proj");
  EXPECT_EQ(module("model.model.layers.0.q_proj"), "model.layers.0.q_proj");
  EXPECT_EQ(module("model.model.model.layers.0.q_proj"), "model.layers.0.q_proj");
  EXPECT_EQ(module("model.transformer.h.0.q_proj"), "transformer.h.0.q_proj");
  EXPECT_EQ(module("transformer.h.0.q_proj"), "transformer.h.0.q_proj");
}

TEST(MttlWeights, ATiedBlockHasOneA) {
  const std::map<std::string, at::Tensor> tensors = {
      {"h.0.attn.k.lora_a", at::full({4, 2}, 1.0)}, {"h.0.attn.k.lora_b", at::ones({2, 3})},
      {"h.0.attn.q.lora_b", at::ones({2, 3})},      {"h.1.attn.k.lora_a", at::full({4, 2}, 2.0)},
      {"h.1.attn.k.lora_b", at::ones({2, 3})},      {"h.1.attn.q.lora_b", at::ones({2, 3})},
  };
  for (const char* tie : {"q.lora_a|k.lora_a", "q.*\\.lora_a|k.*\\.lora_a"}) {
    const auto modules = modules_of(tensors, tie);
    ASSERT_EQ(modules.size(), 4u);
    EXPECT_EQ(modules.at("h.0.attn.q").a[0][0].item<float>(), 1);
    EXPECT_EQ(modules.at("h.1.attn.q").a[0][0].item<float>(), 2);
  }
  EXPECT_EQ(error_message([&] { modules_of(tensors, "v.lora_a|k.lora_a"); }),
            "x.ckpt: 'h.0.attn.q' has no lora_a");
  EXPECT_EQ(error_message([&] { modules_of(tensors); }), "x.ckpt: 'h.0.attn.q' has no lora_a");
}

TEST(MttlWeights, BrokenOnesAreRefusedByName) {
  const at::Tensor a = at::ones({4, 2}), b = at::ones({2, 3});
  const auto problem = [&](const std::string& name, const at::Tensor& tensor) {
    std::map<std::string, at::Tensor> tensors = {{"q.lora_a", a}, {"q.lora_b", b}};
    tensors[name] = tensor;
    return error_message([&] { modules_of(tensors); });
  };
  EXPECT_EQ(problem("q.weight", a),
            "x.ckpt: 'q.weight' is no tensor of plain LoRA | only plain LoRA can be imported");
  EXPECT_EQ(problem(".lora_a", a),
            "x.ckpt: '.lora_a' is no tensor of plain LoRA | only plain LoRA can be imported");
  EXPECT_EQ(problem("q.lora_a", at::ones({1, 4, 2})),
            "x.ckpt: 'q.lora_a' is a tensor of type Float and shape [1, 4, 2], not a matrix of plain LoRA");
  EXPECT_EQ(problem("q.lora_a", at::ones({4, 2}, at::kLong)),
            "x.ckpt: 'q.lora_a' is a tensor of type Long and shape [4, 2], not a matrix of plain LoRA");
  EXPECT_EQ(problem("q.lora_a", at::full({4, 2}, INFINITY)),
            "x.ckpt: 'q.lora_a' holds numbers that are not finite");
  EXPECT_EQ(problem("q.lora_a", at::ones({4, 3})),
            "x.ckpt: 'q' has lora_a [4, 3] and lora_b [2, 3], but lora_rank is 2");
  EXPECT_EQ(problem("k.lora_a", a), "x.ckpt: 'k' has no lora_b");
  EXPECT_EQ(error_message([] { modules_of({}); }), "x.ckpt: no LoRA tensors");
}

// B A times the scale, of every module.
std::map<std::string, at::Tensor> updates(const std::map<std::string, LoraWeights>& modules) {
  std::map<std::string, at::Tensor> result;
  for (const auto& [path, weights] : modules) result[path] = at::matmul(weights.b, weights.a) * weights.scale;
  return result;
}

TEST(MttlWeights, OneRankAndOneAlphaForDifferentModules) {
  Expert expert = make_expert("one");
  expert.info.lora.modify_layers = "";
  expert.modules.begin()->second = make_weights(3, 6, 6, 0.75, 0.1);
  const MttlWeights weights = make_mttl_weights(expert);
  EXPECT_EQ(weights.rank, 3);
  const MttlInfo info =
      parse_mttl_info(to_json(make_mttl_meta(expert, weights.rank, weights.alpha)), "x.meta");
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, value] : *weights.tensors.as<TorchValue::Dict>()) {
    tensors[*name.as<std::string>()] = *value.as<at::Tensor>();
  }
  const auto expected = updates(expert.modules);
  const auto read = updates(make_lora_modules(tensors, info, "x.ckpt"));
  ASSERT_EQ(read.size(), expected.size());
  for (const auto& [path, update] : expected) {
    EXPECT_TRUE(at::allclose(read.at(path), update, 1e-5, 1e-6)) << path;
  }
  EXPECT_EQ(info.info.lora.modify_modules.find("model\\.layers\\.0\\.self_attn\\.q_proj|"), 0u);
}

TEST(MttlWeights, NamesThatMttlCannotHold) {
  Expert expert = make_expert("one.two");
  EXPECT_EQ(error_message([&] { make_mttl_meta(expert, 2, 8); }),
            "mttl takes no '.' in the name of an expert: 'one.two' | rename the expert first");
  expert.info.name = "one";
  expert.info.tasks = {"a,b"};
  EXPECT_EQ(error_message([&] { make_mttl_meta(expert, 2, 8); }),
            "mttl takes no ',' in the name of a task: 'a,b'");
}

}  // namespace
}  // namespace quiver::test
