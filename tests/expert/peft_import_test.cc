// PEFT adapters as others write them, good and bad, built tensor by tensor.
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>

#include "core/json.h"
#include "support/expert_fixture.h"
#include "support/test_support.h"
#include "tensor/safetensors.h"
#include "tensor/torch_file.h"

namespace fs = std::filesystem;

namespace quiver::test {
namespace {

constexpr char kQuery[] = "base_model.model.model.layers.0.self_attn.q_proj";
constexpr char kValue[] = "base_model.model.model.layers.0.self_attn.v_proj";

// A small valid adapter that a test changes before it is written.
struct Adapter {
  Json config = {{"peft_type", "LORA"},
                 {"r", 2},
                 {"lora_alpha", 6},
                 {"target_modules", "all-linear"},
                 {"base_model_name_or_path", "org/base"},
                 {"some_future_key", 1}};
  std::map<std::string, at::Tensor> tensors = {
      {std::string(kQuery) + ".lora_A.weight", at::full({2, 4}, 0.5)},
      {std::string(kQuery) + ".lora_B.weight", at::full({4, 2}, -1.0)},
      {std::string(kValue) + ".lora_A.weight", at::full({2, 4}, 1.5)},
      {std::string(kValue) + ".lora_B.weight", at::full({3, 2}, 2.0)},
  };

  Expert load() const {
    const ScratchDirectory scratch;
    const fs::path directory = scratch / "adapter";
    write_safetensors(directory / "adapter_model.safetensors", tensors, {{"format", "pt"}});
    std::ofstream(directory / "adapter_config.json") << config;
    return load_expert(directory);
  }
};

double scale_of(const Expert& expert, const std::string& name) {
  return expert.modules.at("model.layers.0.self_attn." + name).scale;
}

TEST(PeftImport, WithoutARecordTheRestIsKnown) {
  const Expert expert = Adapter().load();
  EXPECT_EQ(expert.info.name, "adapter");
  EXPECT_EQ(expert.info.base_model, "org/base");
  EXPECT_TRUE(expert.info.base_fingerprint.empty());
  EXPECT_TRUE(expert.info.tasks.empty());
  EXPECT_EQ(expert.info.lora.rank, 2);
  EXPECT_EQ(expert.info.lora.alpha, 6);
  ASSERT_EQ(expert.modules.size(), 2u);
  const LoraWeights& value = expert.modules.at("model.layers.0.self_attn.v_proj");
  EXPECT_TRUE(at::equal(value.a, at::full({2, 4}, 1.5)));
  EXPECT_TRUE(at::equal(value.b, at::full({3, 2}, 2.0)));
  EXPECT_DOUBLE_EQ(value.scale, 3);
}

TEST(PeftImport, ScalesFollowPatternsAndRankStabilisation) {
  Adapter adapter;
  adapter.config["alpha_pattern"] = {{"v_proj", 10}};
  EXPECT_DOUBLE_EQ(scale_of(adapter.load(), "q_proj"), 3);
  EXPECT_DOUBLE_EQ(scale_of(adapter.load(), "v_proj"), 5);
  adapter.config["rank_pattern"] = {{".*layers\\.[0-9]+\\.self_attn\\.v.*", 1}};
  adapter.tensors[std::string(kValue) + ".lora_A.weight"] = at::full({1, 4}, 1.5);
  adapter.tensors[std::string(kValue) + ".lora_B.weight"] = at::full({3, 1}, 2.0);
  EXPECT_DOUBLE_EQ(scale_of(adapter.load(), "v_proj"), 10);
  adapter.config["use_rslora"] = true;
  EXPECT_DOUBLE_EQ(scale_of(adapter.load(), "q_proj"), 6 / std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(scale_of(adapter.load(), "v_proj"), 10);
}

TEST(PeftImport, TheFirstPatternInTheFileCounts) {
  Adapter adapter;
  adapter.config.erase("alpha_pattern");
  const ScratchDirectory scratch;
  write_safetensors(scratch / "adapter_model.safetensors", adapter.tensors);
  std::ofstream(scratch / "adapter_config.json")
      << R"({"peft_type": "LORA", "r": 2, "alpha_pattern": {"v_proj": 2, "self_attn.v_proj": 4}})";
  EXPECT_DOUBLE_EQ(scale_of(load_expert(scratch.path()), "v_proj"), 1);
  EXPECT_DOUBLE_EQ(scale_of(load_expert(scratch.path()), "q_proj"), 4) << "lora_alpha is 8 by default";
  std::ofstream(scratch / "adapter_config.json")
      << R"({"peft_type": "LORA", "r": 2, "alpha_pattern": {"v_proj": 2, "a_first_by_name|v_proj": 4}})";
  EXPECT_DOUBLE_EQ(scale_of(load_expert(scratch.path()), "v_proj"), 1);
}

TEST(PeftImport, HalfPrecisionBecomesFloat) {
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16, at::kDouble}) {
    Adapter adapter;
    for (auto& [name, tensor] : adapter.tensors) tensor = tensor.to(dtype);
    const LoraWeights weights = adapter.load().modules.at("model.layers.0.self_attn.q_proj");
    EXPECT_EQ(weights.a.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::equal(weights.a, at::full({2, 4}, 0.5)));
  }
}

TEST(PeftImport, RankStabilisedAdapterSurvivesExport) {
  Adapter adapter;
  adapter.config["use_rslora"] = true;
  const Expert expert = adapter.load();
  const ScratchDirectory scratch;
  save_expert(expert, scratch / "x");
  EXPECT_DOUBLE_EQ(scale_of(load_expert(scratch / "x"), "q_proj"), 6 / std::sqrt(2.0));
  EXPECT_EQ(expert_digest(load_expert(scratch / "x")), expert_digest(expert));
}

// A state dict that was saved as it is carries the adapter's name; PEFT loads it.
TEST(PeftImport, TheAdaptersNameMayStandInTheKeys) {
  const Adapter plain;
  for (const std::string name : {"default", "my-adapter"}) {
    Adapter adapter;
    adapter.tensors.clear();
    for (const auto& [key, tensor] : plain.tensors) {
      const std::size_t end = key.size() - std::string(".weight").size();
      adapter.tensors[key.substr(0, end) + "." + name + ".weight"] = tensor;
    }
    EXPECT_EQ(expert_digest(adapter.load()), expert_digest(plain.load()));
  }
}

// Models with other inputs beside text nest the decoder, in one way since transformers 4.52 and in another
// before. The modules are those of the decoder alone; an export is named as the first.
TEST(PeftImport, ANestedDecoder) {
  const Adapter plain;
  const std::string stem = "base_model.model.model.";
  for (const std::string nested :
       {"base_model.model.model.language_model.", "base_model.model.language_model.model."}) {
    SCOPED_TRACE(nested);
    Adapter adapter;
    adapter.tensors.clear();
    for (const auto& [key, tensor] : plain.tensors)
      adapter.tensors[nested + key.substr(stem.size())] = tensor;
    adapter.config["target_modules"] = ".*language_model.*\\.(q|v)_proj";
    adapter.config["alpha_pattern"] = {{"^" + nested.substr(17) + "layers.0.self_attn.v_proj", 10}};
    const Expert expert = adapter.load();
    EXPECT_EQ(expert.decoder, "model.language_model");
    EXPECT_EQ(scale_of(expert, "q_proj"), 3);
    EXPECT_EQ(scale_of(expert, "v_proj"), 5);

    const ScratchDirectory scratch;
    save_expert(expert, scratch / "x");
    const std::string path = "model.language_model.layers.0.self_attn.";
    const SafetensorsFile file = SafetensorsFile::open(scratch / "x/adapter_model.safetensors");
    EXPECT_TRUE(file.contains("base_model.model." + path + "q_proj.lora_A.weight"));
    const Json config = read_json_file(scratch / "x/adapter_config.json");
    EXPECT_EQ(config.at("target_modules"), Json({path + "q_proj", path + "v_proj"}))
        << "names alone would match layers of the vision tower";
    EXPECT_EQ(config.at("alpha_pattern"), Json({{"^" + path + "v_proj", 10}}));
    const Expert again = load_expert(scratch / "x");
    EXPECT_EQ(expert_digest(again), expert_digest(expert));
    EXPECT_EQ(again.decoder, expert.decoder);
  }
}

TEST(PeftImport, KeysOfPatternsThatMatchNothingAreNamed) {
  Adapter adapter;
  adapter.config["alpha_pattern"] = {{"q_porj", 64}, {"^v_proj", 64}, {"v_proj", 6}};
  adapter.config["rank_pattern"] = {{"k_porj", 4}};
  adapter.config["target_modules"] = {"q_proj", "v_proj"};
  adapter.config["layers_to_transform"] = {0};
  adapter.config["layers_pattern"] = {"h", "model.layers"};
  testing::internal::CaptureStderr();
  EXPECT_DOUBLE_EQ(scale_of(adapter.load(), "v_proj"), 3);
  const std::string said = testing::internal::GetCapturedStderr();
  const auto says = [&](const std::string& text) { return said.find(text) != std::string::npos; };
  EXPECT_TRUE(
      says("keys of alpha_pattern in adapter_config.json match no module and are ignored: '^v_proj', "
           "'q_porj'\n"))
      << said;
  EXPECT_TRUE(says("keys of rank_pattern in adapter_config.json match no module and are ignored: 'k_porj'\n"))
      << said;
  EXPECT_TRUE(says("layers_pattern 'h' in adapter_config.json matches no module\n")) << said;
  adapter.config.erase("layers_to_transform");
  testing::internal::CaptureStderr();
  adapter.load();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("'layers_pattern' is ignored"), std::string::npos);
}

TEST(PeftImport, PickledWeights) {
  const Adapter adapter;
  const ScratchDirectory scratch;
  TorchValue::Dict entries;
  for (const auto& [name, tensor] : adapter.tensors) entries.push_back({{name}, {tensor.to(at::kHalf)}});
  write_torch_file(scratch / "adapter_model.bin", {entries});
  std::ofstream(scratch / "adapter_config.json") << adapter.config;
  EXPECT_EQ(expert_digest(load_expert(scratch.path())), expert_digest(adapter.load()));
  entries.push_back({{std::string("epoch")}, {std::int64_t{3}}});
  write_torch_file(scratch / "adapter_model.bin", {entries});
  EXPECT_NE(error_message([&] {
              load_expert(scratch.path());
            }).find("the value \"epoch\" is a whole number, not a tensor"),
            std::string::npos);
  write_torch_file(scratch / "adapter_model.bin", {TorchValue::List{}});
  EXPECT_NE(error_message([&] {
              load_expert(scratch.path());
            }).find("the file holds a list, not a dict of tensors"),
            std::string::npos);
}

TEST(PeftImport, TargetsThatFitTheTensors) {
  const Json fitting[] = {
      {{"target_modules", {"q_proj", "v_proj"}}},
      {{"target_modules", {"self_attn.q_proj", "model.layers.0.self_attn.v_proj"}}},
      {{"target_modules", R"(.*\.self_attn\.(q|v)_proj)"}},
      {{"target_modules", R"(^model\.layers\.\d+\.(?!mlp).*_proj$)"}},
      {{"target_modules", "ALL-LINEAR"}},
      {{"target_modules", nullptr}},
      {{"target_modules", {"q_proj", "v_proj"}}, {"layers_to_transform", 0}},
      {{"target_modules", {"q_proj", "v_proj"}}, {"layers_to_transform", {0}}, {"layers_pattern", "layers"}},
      {{"target_modules", {"q_proj", "v_proj"}},
       {"layers_to_transform", {0}},
       {"layers_pattern", {"h", "layers"}}},
      {{"target_modules", {"q_proj", "v_proj"}}, {"exclude_modules", {"k_proj", "proj"}}},
      {{"target_modules", {"q_proj", "v_proj"}}, {"exclude_modules", "lm_head|.*mlp.*"}},
      // PEFT writes "all-linear" as names, the excluded ones among them.
      {{"target_modules", {"q_proj", "v_proj", "model.layers.0.mlp.up_proj"}},
       {"exclude_modules", {"up_proj"}}},
      {{"target_modules", R"(model\.layers\.\d{1,2}\.(?P<block>self_attn)\.(q|v)_proj)"}},
      // Not evaluated: Python's re refuses it as well.
      {{"target_modules", R"(.*(?<=l+)proj)"}},
  };
  for (const Json& config : fitting) {
    SCOPED_TRACE(config.dump());
    Adapter adapter;
    adapter.config.update(config);
    EXPECT_EQ(adapter.load().modules.size(), 2u);
  }
}

struct Refusal {
  const char* title;
  std::function<void(Adapter&)> spoil;
  ErrorKind kind;
  const char* message;
};

void add_tensor(Adapter& adapter, const std::string& name, at::IntArrayRef shape) {
  adapter.tensors[name] = at::ones(shape);
}

const Refusal kRefusals[] = {
    {"type", [](Adapter& a) { a.config["peft_type"] = "IA3"; }, ErrorKind::kUnsupported,
     "adapter type 'IA3'"},
    {"no type", [](Adapter& a) { a.config.erase("peft_type"); }, ErrorKind::kCorruptFile,
     "'peft_type' is missing"},
    {"type of type", [](Adapter& a) { a.config["peft_type"] = 3; }, ErrorKind::kCorruptFile,
     "'peft_type' has the wrong type: 3"},
    {"array", [](Adapter& a) { a.config = Json::array({1}); }, ErrorKind::kCorruptFile, "not a JSON object"},
    {"dora", [](Adapter& a) { a.config["use_dora"] = true; }, ErrorKind::kUnsupported, "'use_dora' is set"},
    {"dora tensor", [](Adapter& a) { add_tensor(a, std::string(kQuery) + ".lora_magnitude_vector", {4}); },
     ErrorKind::kUnsupported, "q_proj.lora_magnitude_vector' is weight-decomposed LoRA (DoRA)"},
    {"lora bias", [](Adapter& a) { a.config["lora_bias"] = true; }, ErrorKind::kUnsupported,
     "'lora_bias' is set"},
    {"lora bias tensor", [](Adapter& a) { add_tensor(a, std::string(kQuery) + ".lora_B.bias", {4}); },
     ErrorKind::kUnsupported, "lora_B.bias' is a bias on lora_B"},
    {"bias", [](Adapter& a) { a.config["bias"] = "lora_only"; }, ErrorKind::kUnsupported,
     "'bias' is 'lora_only'"},
    {"bias tensor", [](Adapter& a) { add_tensor(a, std::string(kQuery) + ".base_layer.bias", {4}); },
     ErrorKind::kUnsupported, "is a trained bias"},
    {"modules_to_save", [](Adapter& a) { a.config["modules_to_save"] = {"lm_head"}; },
     ErrorKind::kUnsupported, "'modules_to_save' is set"},
    {"modules_to_save tensor",
     [](Adapter& a) {
       add_tensor(a, "base_model.model.score.weight", {3, 4});
     },
     ErrorKind::kUnsupported, "'base_model.model.score.weight' is a whole trained module"},
    {"embedding",
     [](Adapter& a) {
       add_tensor(a, "base_model.model.model.embed_tokens.lora_embedding_A", {2, 9});
     },
     ErrorKind::kUnsupported, "is LoRA on an embedding"},
    {"head",
     [](Adapter& a) {
       add_tensor(a, "base_model.model.lm_head.lora_A.weight", {2, 4});
     },
     ErrorKind::kUnsupported, "LoRA on 'lm_head' is not supported"},
    {"copy of the head",
     [](Adapter& a) {
       add_tensor(a, "base_model.model.lm_head.base_layer.weight", {9, 4});
     },
     ErrorKind::kUnsupported,
     "lm_head.base_layer.weight' is the frozen layer under LoRA on 'lm_head', which is not supported"},
    {"copy of the embedding",
     [](Adapter& a) {
       add_tensor(a, "base_model.model.model.embed_tokens.base_layer.weight", {9, 4});
     },
     ErrorKind::kUnsupported, "is the frozen layer under LoRA on 'embed_tokens', which is not supported"},
    {"linear LoRA on an embedding",
     [](Adapter& a) {
       add_tensor(a, "base_model.model.transformer.wte.lora_A.weight", {2, 4});
     },
     ErrorKind::kUnsupported, "LoRA on 'transformer.wte' is not supported"},
    {"two adapters",
     [](Adapter& a) {
       add_tensor(a, std::string(kQuery) + ".lora_A.default.weight", {2, 4});
     },
     ErrorKind::kCorruptFile, "the tensors belong to two adapters, 'default' and ''"},
    {"no factor",
     [](Adapter& a) {
       add_tensor(a, std::string(kQuery) + ".lora_A.a.b.weight", {2, 4});
     },
     ErrorKind::kUnsupported, "is a kind of LoRA tensor that PEFT does not save"},
    {"one module twice",
     [](Adapter& a) {
       for (const char* factor : {".lora_A.weight", ".lora_B.weight"})
         a.tensors["base_model.model.model.language_model.layers.0.self_attn.q_proj" + std::string(factor)] =
             a.tensors.at(kQuery + std::string(factor));
     },
     ErrorKind::kCorruptFile, "'model.layers.0.self_attn.q_proj' is there under two names"},
    {"foreign tensor", [](Adapter& a) { add_tensor(a, "x", {2}); }, ErrorKind::kUnsupported,
     "'x' is no tensor of a PEFT adapter"},
    {"no path",
     [](Adapter& a) {
       add_tensor(a, "base_model.model.lora_A.weight", {2, 4});
     },
     ErrorKind::kUnsupported, "'base_model.model.lora_A.weight' is"},
    {"pissa", [](Adapter& a) { a.config["init_lora_weights"] = "pissa_niter_4"; }, ErrorKind::kUnsupported,
     "'pissa_niter_4': the adapter belongs to changed base weights"},
    {"replication",
     [](Adapter& a) {
       a.config["layer_replication"] = {{0, 1}};
     },
     ErrorKind::kUnsupported, "'layer_replication' is set"},
    {"alora", [](Adapter& a) { a.config["alora_invocation_tokens"] = {1}; }, ErrorKind::kUnsupported,
     "'alora_invocation_tokens' is set"},
    {"parameters", [](Adapter& a) { a.config["target_parameters"] = {"x"}; }, ErrorKind::kUnsupported,
     "'target_parameters' is set"},
    {"no B", [](Adapter& a) { a.tensors.erase(std::string(kValue) + ".lora_B.weight"); },
     ErrorKind::kCorruptFile, "'model.layers.0.self_attn.v_proj' has no lora_B tensor"},
    {"no A", [](Adapter& a) { a.tensors.erase(std::string(kValue) + ".lora_A.weight"); },
     ErrorKind::kCorruptFile, "'model.layers.0.self_attn.v_proj' has no lora_A tensor"},
    {"nothing", [](Adapter& a) { a.tensors.clear(); }, ErrorKind::kCorruptFile, "no LoRA tensors"},
    {"ranks",
     [](Adapter& a) {
       add_tensor(a, std::string(kQuery) + ".lora_B.weight", {4, 3});
     },
     ErrorKind::kCorruptFile,
     "ranks of 'model.layers.0.self_attn.q_proj' do not fit: lora_A (2, 4), lora_B (4, 3)"},
    {"rank in config", [](Adapter& a) { a.config["r"] = 4; }, ErrorKind::kCorruptFile,
     "but its rank in adapter_config.json is 4"},
    {"rank pattern",
     [](Adapter& a) {
       a.config["rank_pattern"] = {{"v_proj", 3}};
     },
     ErrorKind::kCorruptFile,
     "'model.layers.0.self_attn.v_proj' has lora_A (2, 4), lora_B (3, 2), but its rank"},
    {"rank zero", [](Adapter& a) { a.config["r"] = 0; }, ErrorKind::kCorruptFile,
     "'r' must be a positive number, not 0"},
    {"rank fraction", [](Adapter& a) { a.config["r"] = 2.5; }, ErrorKind::kCorruptFile,
     "'r' must be a whole number of at most 1048576, not 2.5"},
    {"rank null", [](Adapter& a) { a.config["r"] = nullptr; }, ErrorKind::kCorruptFile, "not null"},
    {"alpha text", [](Adapter& a) { a.config["lora_alpha"] = "16"; }, ErrorKind::kCorruptFile,
     "'lora_alpha' must be a positive number, not \"16\""},
    {"pattern list", [](Adapter& a) { a.config["alpha_pattern"] = {1}; }, ErrorKind::kCorruptFile,
     "'alpha_pattern' must be an object"},
    {"pattern value",
     [](Adapter& a) {
       a.config["alpha_pattern"] = {{"v_proj", -1}};
     },
     ErrorKind::kCorruptFile, "'alpha_pattern.v_proj' must be a positive number, not -1"},
    {"pattern regex",
     [](Adapter& a) {
       a.config["rank_pattern"] = {{"(v_proj", 2}};
     },
     ErrorKind::kUnsupported, "the module pattern '(v_proj'"},
    {"tensors not targeted", [](Adapter& a) { a.config["target_modules"] = {"q_proj"}; },
     ErrorKind::kCorruptFile,
     "'model.layers.0.self_attn.v_proj' has tensors, but adapter_config.json does not target it"},
    {"part of a name is no target",
     [](Adapter& a) {
       a.config["target_modules"] = {"q_proj", "proj"};
     },
     ErrorKind::kCorruptFile, "'model.layers.0.self_attn.v_proj' has tensors"},
    {"regex", [](Adapter& a) { a.config["target_modules"] = ".*q_proj"; }, ErrorKind::kCorruptFile,
     "'model.layers.0.self_attn.v_proj' has tensors"},
    {"regex matches a part", [](Adapter& a) { a.config["target_modules"] = "[qv]_proj"; },
     ErrorKind::kCorruptFile, "'model.layers.0.self_attn.q_proj' has tensors"},
    {"excluded",
     [](Adapter& a) {
       a.config["target_modules"] = {"q_proj", "v_proj"};
       a.config["exclude_modules"] = {"self_attn.v_proj"};
     },
     ErrorKind::kCorruptFile, "'model.layers.0.self_attn.v_proj' has tensors"},
    {"excluded by regex", [](Adapter& a) { a.config["exclude_modules"] = ".*layers.0.*v_proj"; },
     ErrorKind::kCorruptFile, "'model.layers.0.self_attn.v_proj' has tensors"},
    {"other layer",
     [](Adapter& a) {
       a.config["target_modules"] = {"q_proj", "v_proj"};
       a.config["layers_to_transform"] = 1;
     },
     ErrorKind::kCorruptFile, "'model.layers.0.self_attn.q_proj' has tensors"},
    {"other list of layers",
     [](Adapter& a) {
       a.config["target_modules"] = {"q_proj", "v_proj"};
       a.config["layers_to_transform"] = {0};
       a.config["layers_pattern"] = "h";
     },
     ErrorKind::kCorruptFile, "'model.layers.0.self_attn.q_proj' has tensors"},
    {"targets of another kind",
     [](Adapter& a) {
       a.config["target_modules"] = {1, 2};
     },
     ErrorKind::kCorruptFile, "'target_modules' has the wrong type: [1,2]"},
    {"peft's arrow",
     [](Adapter& a) {
       a.config["arrow_config"] = {{"top_k", 2}};
     },
     ErrorKind::kUnsupported, "'arrow_config' is set: PEFT's own Arrow routing"},
    {"token indices", [](Adapter& a) { a.config["trainable_token_indices"] = {1}; }, ErrorKind::kUnsupported,
     "'trainable_token_indices' is set"},
    {"nan",
     [](Adapter& a) {
       a.tensors.begin()->second = at::full({2, 4}, std::numeric_limits<float>::quiet_NaN());
     },
     ErrorKind::kCorruptFile, "q_proj.lora_A.weight' holds numbers that are not finite"},
    {"infinite as float",
     [](Adapter& a) {
       a.tensors.begin()->second = at::full({2, 4}, 1e300, at::kDouble);
     },
     ErrorKind::kCorruptFile, "not finite"},
    {"integers",
     [](Adapter& a) {
       a.tensors.begin()->second = at::ones({2, 4}, at::kLong);
     },
     ErrorKind::kUnsupported, "is of type Long"},
    {"convolution",
     [](Adapter& a) {
       add_tensor(a, std::string(kQuery) + ".lora_A.weight", {2, 4, 3, 3});
     },
     ErrorKind::kUnsupported, "has shape (2, 4, 3, 3); only LoRA on linear layers"},
    {"empty",
     [](Adapter& a) {
       add_tensor(a, std::string(kQuery) + ".lora_A.weight", {2, 0});
     },
     ErrorKind::kCorruptFile, "'model.layers.0.self_attn.q_proj' is empty"},
};

TEST(PeftImport, WhatCannotBeRunExactlyIsRefusedByName) {
  for (const Refusal& refusal : kRefusals) {
    SCOPED_TRACE(refusal.title);
    Adapter adapter;
    refusal.spoil(adapter);
    try {
      adapter.load();
      ADD_FAILURE() << "loaded";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), refusal.kind) << e.what();
      EXPECT_NE(std::string(e.what()).find(refusal.message), std::string::npos) << e.what();
    }
  }
}

TEST(PeftImport, MissingFilesAreNamed) {
  const ScratchDirectory scratch;
  EXPECT_NE(error_message([&] { load_expert(scratch / "none"); }).find("no such folder"), std::string::npos);
  EXPECT_NE(error_message([&] { load_expert(scratch.path()); }).find("it has no adapter_config.json"),
            std::string::npos);
  std::ofstream(scratch / "adapter_config.json") << Adapter().config;
  EXPECT_NE(error_message([&] { load_expert(scratch.path()); }).find("it has no adapter_model.safetensors"),
            std::string::npos);
  std::ofstream(scratch / "adapter_model.bin") << "pickle";
  EXPECT_NE(error_message([&] { load_expert(scratch.path()); }).find("not a file of torch.save"),
            std::string::npos);
  std::ofstream(scratch / "adapter_model.safetensors") << "garbage";
  EXPECT_THROW(load_expert(scratch.path()), Error);
  std::ofstream(scratch / "adapter_config.json") << "{\"peft_type\": ";
  EXPECT_NE(error_message([&] { load_expert(scratch.path()); }).find("not valid JSON"), std::string::npos);
}

}  // namespace
}  // namespace quiver::test
