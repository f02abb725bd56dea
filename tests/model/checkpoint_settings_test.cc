// What a model folder says beside its weights, and weights that nobody asked for. The logits of such models
// are compared with transformers' in model_settings_golden_test.cc.
#include "model/broken_model.h"
#include "model/families/family.h"
#include "tensor/byte_builder.h"

namespace quiver {
namespace {

using test::BrokenModelTest;
using Tensors = std::map<std::string, at::Tensor>;

constexpr char kHint[] =
    " | quantized weights are read from GGUF files only: dequantize the model (transformers: "
    "model.dequantize()) and save it in bfloat16, or take the model it was made from";

class CheckpointSettingsTest : public BrokenModelTest {
 protected:
  std::string in_folder(const std::string& message) const { return directory().string() + ": " + message; }
  std::string in_config(const std::string& message) const {
    return (directory() / "config.json").string() + ": " + message;
  }
  // Tensors added to tiny_llama, and the error or the warnings of loading it.
  std::string error_with(const Tensors& added) {
    copy("tiny_llama");
    edit_weights([&](Tensors& tensors) { tensors.insert(added.begin(), added.end()); });
    return load_error();
  }
  std::string warnings_with(const Tensors& added) {
    copy("tiny_llama");
    edit_weights([&](Tensors& tensors) { tensors.insert(added.begin(), added.end()); });
    return load_warnings();
  }
};

TEST_F(CheckpointSettingsTest, QuantizationInTheConfigurationIsNamed) {
  const auto error = [&](const char* key, const Json& value) {
    return config_error("tiny_llama", key, value);
  };
  const std::string says = "'quantization_config' says that the weights are quantized: ";
  EXPECT_EQ(error("quantization_config", {{"quant_method", "gptq"}, {"bits", 4}}),
            in_config(says + "gptq") + kHint);
  EXPECT_EQ(error("quantization_config", {{"load_in_4bit", true}}),
            in_config(says + "bitsandbytes, load_in_4bit") + kHint);
  EXPECT_EQ(error("quantization_config", {{"quant_method", "a\nb"}}), in_config(says + "a\\nb") + kHint);
  EXPECT_NE(error("compression_config", {{"format", "pack-quantized"}}).find("'compression_config' says"),
            std::string::npos);
  // Of a language model nested in another, at either place.
  copy("families/gemma3");
  edit_config([](Json& config) {
    config = {{"model_type", "gemma3"}, {"text_config", config}};
    config["text_config"]["quantization_config"] = {{"quant_method", "awq"}};
  });
  EXPECT_EQ(load_error(), in_config("'text_config': " + says + "awq") + kHint);
  for (const Json& nothing : {Json(nullptr), Json::object()}) {
    copy("tiny_llama");
    edit_config([&](Json& config) { config["quantization_config"] = nothing; });
    EXPECT_EQ(load_warnings(), "");
  }
}

TEST_F(CheckpointSettingsTest, QuantizationIsNoticedWithoutTheConfiguration) {
  const std::string layer = "model.layers.0.self_attn.q_proj.";
  for (const char* part : {"SCB", "weight_scale", "weight_scale_inv", "qweight", "qzeros", "scales",
                           "weight_packed", "absmax", "quant_state.bitsandbytes__nf4"}) {
    EXPECT_EQ(error_with({{layer + part, at::ones({4})}}),
              in_folder("the weights are quantized: \"" + layer + part + "\" holds scales or codes") + kHint);
  }
  EXPECT_NE(error_with({{"a.scales", at::ones({1})}, {"a.qzeros", at::ones({1})}})
                .find("\"a.qzeros\" and 1 more tensors hold scales"),
            std::string::npos);
}

TEST_F(CheckpointSettingsTest, WeightsOfOtherTypesThanFloatsAreRefused) {
  const std::pair<at::ScalarType, const char*> types[] = {{at::kBool, "BOOL"},
                                                          {at::kByte, "U8"},
                                                          {at::kChar, "I8"},
                                                          {at::kShort, "I16"},
                                                          {at::kInt, "I32"},
                                                          {at::kLong, "I64"},
                                                          {at::kUInt16, "U16"},
                                                          {at::kFloat8_e4m3fn, "F8_E4M3"},
                                                          {at::kFloat8_e5m2, "F8_E5M2"}};
  for (const char* name : {"model.layers.0.mlp.up_proj.weight", "model.norm.weight"}) {
    for (const auto& [type, text] : types) {
      copy("tiny_llama");
      edit_weights([&](Tensors& tensors) { tensors[name] = tensors.at(name).to(type); });
      EXPECT_EQ(load_error(), in_folder("tensor \"" + std::string(name) + "\" has the type " + text +
                                        ", not that of weights (F32, F16, BF16 or F64)") +
                                  kHint);
    }
  }
  copy("tiny_llama");
  edit_weights([](Tensors& tensors) {
    for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kDouble);
  });
  EXPECT_EQ(BaseModel::load(directory())->fingerprint(), test::golden_base("tiny_llama")->fingerprint());
}

TEST_F(CheckpointSettingsTest, AHeadThatDiffersFromTheEmbeddingIsNamed) {
  copy("tiny_llama");
  edit_weights(
      [](Tensors& tensors) { tensors["lm_head.weight"] = tensors.at("model.embed_tokens.weight") + 1; });
  EXPECT_EQ(load_warnings(), "quiver: warning: " +
                                 in_folder("'tie_word_embeddings' is true, but 'lm_head.weight' differs from "
                                           "'model.embed_tokens.weight': the head of the file is used\n"));
  EXPECT_NE(BaseModel::load(directory())->fingerprint(), test::golden_base("tiny_llama")->fingerprint());
}

TEST_F(CheckpointSettingsTest, AHeadThatEqualsTheEmbeddingIsTheEmbedding) {
  copy("tiny_llama");
  edit_weights([](Tensors& tensors) { tensors["lm_head.weight"] = tensors.at("model.embed_tokens.weight"); });
  EXPECT_EQ(load_warnings(), "");
  EXPECT_EQ(BaseModel::load(directory())->fingerprint(), test::golden_base("tiny_llama")->fingerprint());
  edit_weights([](Tensors& tensors) { tensors["lm_head.weight"] = at::ones({319, 32}); });
  testing::internal::CaptureStderr();
  EXPECT_EQ(load_error(), in_folder("tensor 'lm_head.weight' has shape [319, 32], the model's configuration "
                                    "asks for [320, 32]"));
  testing::internal::GetCapturedStderr();
}

TEST_F(CheckpointSettingsTest, BiasesThatTheConfigurationDoesNotHave) {
  Tensors biases;
  for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"})
    biases["model.layers.0.self_attn." + std::string(name) + ".bias"] = at::ones({32});
  EXPECT_EQ(
      warnings_with(biases),
      "quiver: warning: " +
          in_folder("the file has biases where config.json says 'attention_bias' false, and are not used: "
                    "\"model.layers.0.self_attn.k_proj.bias\", \"model.layers.0.self_attn.o_proj.bias\", "
                    "\"model.layers.0.self_attn.q_proj.bias\", ... (4 in all)\n"));
  EXPECT_NE(warnings_with({{"model.layers.1.mlp.up_proj.bias", at::ones({64})}}).find("'mlp_bias' false"),
            std::string::npos);
  EXPECT_EQ(BaseModel::load(directory())->fingerprint(), test::golden_base("tiny_llama")->fingerprint());
  // A family without the setting.
  copy("families/mistral");
  edit_weights([](Tensors& tensors) { tensors["model.layers.0.self_attn.o_proj.bias"] = at::ones({16}); });
  EXPECT_NE(load_warnings().find("no place in a mistral decoder"), std::string::npos);
}

TEST_F(CheckpointSettingsTest, BiasesThatTheConfigurationHasAndTheFileHasNot) {
  for (const auto& [model, name] : std::vector<std::pair<const char*, std::string>>{
           {"families/gpt2", "transformer.h.1.mlp.c_fc.bias"},
           {"families/gpt2", "transformer.ln_f.bias"},
           {"tiny_gpt_neo", "transformer.h.0.attn.attention.out_proj.bias"},
           {"families/phi", "model.layers.1.self_attn.k_proj.bias"},
           {"families/phi", "lm_head.bias"},
           {"families/qwen2", "model.layers.0.self_attn.v_proj.bias"},
           {"families/llama_biased", "model.layers.0.self_attn.o_proj.bias"}}) {
    copy(model);
    edit_weights([&](Tensors& tensors) { ASSERT_EQ(tensors.erase(name), 1u) << name; });
    EXPECT_EQ(load_error(), in_folder("the base model has no tensor '" + name + "'"));
  }
}

TEST_F(CheckpointSettingsTest, TensorsThatNobodyReadsAreNamedOnce) {
  EXPECT_EQ(warnings_with({{"model.layers.0.self_attn.q_norm.weight", at::ones({8})},
                           {"model.layers.2.mlp.up_proj.weight", at::ones({8})},
                           {"model.layers.0.self_attn.q_proj.lora_A.weight", at::ones({8})},
                           {"v_head.\n.weight", at::ones({8})},
                           {"lm_head.bias", at::ones({320})}}),
            "quiver: warning: " +
                in_folder("the file has tensors that have no place in a llama decoder, and are not used: "
                          "\"lm_head.bias\", \"model.layers.0.self_attn.q_norm.weight\", "
                          "\"model.layers.0.self_attn.q_proj.lora_A.weight\", ... (5 in all)\n"));
  EXPECT_NE(warnings_with({{"a\nb", at::ones({8})}}).find("not used: \"a\\nb\" (1 in all)"),
            std::string::npos);
}

// Masks and tables that old files keep.
TEST_F(CheckpointSettingsTest, BuffersAreNoNews) {
  EXPECT_EQ(warnings_with({{"model.layers.0.self_attn.rotary_emb.inv_freq", at::ones({4})}}), "");
  copy("tiny_gpt_neo");
  edit_weights([](Tensors& tensors) {
    tensors["transformer.h.0.attn.attention.bias"] = at::ones({1, 1, 8, 8}).to(at::kBool);
    tensors["transformer.h.0.attn.attention.masked_bias"] = at::full({1}, -1e9);
  });
  EXPECT_EQ(load_warnings(), "");
}

TEST_F(CheckpointSettingsTest, NumbersThatAreNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16, at::kDouble}) {
    copy("tiny_llama");
    edit_weights([&](Tensors& tensors) {
      at::Tensor& weight = tensors.at("model.layers.1.mlp.down_proj.weight");
      weight = weight.to(type);
      weight[3][7] = std::nanf("");
      weight[20][1] = kInfinity;
    });
    EXPECT_NE(load_error().find(in_folder("tensor 'model.layers.1.mlp.down_proj.weight' has a number that is "
                                          "not finite: (3, 7) is nan")),
              std::string::npos)
        << type;
  }
  copy("tiny_llama");
  edit_weights([](Tensors& tensors) { tensors.at("model.norm.weight")[31] = -kInfinity; });
  EXPECT_NE(load_error().find("'model.norm.weight' has a number that is not finite: (31) is -inf"),
            std::string::npos);
}

TEST_F(CheckpointSettingsTest, MoreLayersThanTheFileCouldHold) {
  EXPECT_EQ(config_error("tiny_llama", "num_hidden_layers", 16000),
            in_folder("the settings ask for 16000 layers, the file has 20 tensors"));
  EXPECT_EQ(config_error("tiny_llama", "num_hidden_layers", 1000000),
            in_config("'num_hidden_layers' is 1000000, not between 1 and 16384"));
  EXPECT_EQ(config_error("families/gpt2", "n_layer", 1000000),
            in_config("'n_layer' is 1000000, not between 1 and 16384"));
  EXPECT_NE(config_error("tiny_llama", "head_dim", 1 << 24).find("sizes do not fit together"),
            std::string::npos);
  // Runs of no layers end as well.
  EXPECT_NE(config_error("tiny_gpt_neo", "attention_types", Json::parse(R"([[[], 1000000000000000]])"))
                .find("'attention_types' describes 0 layers"),
            std::string::npos);
}

TEST_F(CheckpointSettingsTest, SizesThatAreNoWholeNumbers) {
  for (const Json& value : {Json(2.5), Json(true), Json(1e300)}) {
    EXPECT_EQ(
        config_error("tiny_llama", "num_hidden_layers", value),
        in_config("'num_hidden_layers' has the wrong type: " + dump_json(value) + " is no whole number"));
  }
  EXPECT_EQ(config_error("tiny_llama", "eos_token_id", 4294967296),
            in_config("'eos_token_id' is 4294967296"));
}

TEST_F(CheckpointSettingsTest, AnEpsilonOfNoNorm) {
  EXPECT_EQ(config_error("tiny_llama", "rms_norm_eps", -1),
            in_config("'rms_norm_eps' is -1.000000, no positive number"));
  for (const auto& [model, key] :
       std::vector<std::pair<const char*, const char*>>{{"tiny_gpt_neo", "layer_norm_epsilon"},
                                                        {"families/gpt2", "layer_norm_epsilon"},
                                                        {"families/phi", "layer_norm_eps"}}) {
    EXPECT_NE(config_error(model, key, -1).find("' is -1.000000, no positive number"), std::string::npos)
        << model;
  }
}

// MistralConfig of transformers 5.23.
TEST_F(CheckpointSettingsTest, TheWindowOfAMistralThatDoesNotSay) {
  Json config = read_json_file(test::golden_path("families/mistral/config.json"));
  const auto window = [&] { return kMistralFamily.from_config(config, "here").windows; };
  EXPECT_EQ(window(), (std::vector<std::int64_t>{8, 8}));
  config["sliding_window"] = nullptr;
  EXPECT_EQ(window(), (std::vector<std::int64_t>{0, 0}));
  config.erase("sliding_window");
  EXPECT_EQ(window(), (std::vector<std::int64_t>{4096, 4096}));
}

TEST_F(CheckpointSettingsTest, NamesFromFilesStayOnOneLine) {
  EXPECT_NE(config_error("tiny_llama", "model_type", "a\x1b[31m\nb\x7f").find("family 'a\\x1b[31m\\nb\\x7f'"),
            std::string::npos);
  EXPECT_NE(config_error("tiny_llama", "rope_parameters", {{"rope_type", "x\ny"}}).find("rope type 'x\\ny'"),
            std::string::npos);
  EXPECT_NE(config_error("tiny_llama", "hidden_act", "x\ny").find("hidden_act 'x\\ny'"), std::string::npos);
  const std::string long_name(300, 'n');
  EXPECT_EQ(test::error_message([&] { BaseModel::load(long_name); }),
            "cannot read '" + long_name + "': File name too long");
}

TEST_F(CheckpointSettingsTest, RopeSettingsByLayerWhereAllLayersShareThem) {
  EXPECT_EQ(config_error("families/qwen2", "rope_parameters", {{"full_attention", {{"rope_theta", 5}}}}),
            in_config("rope settings of their own for \"full_attention\" are not supported"));
}

TEST_F(CheckpointSettingsTest, PartOfAHeadInAFamilyThatTurnsWholeOnes) {
  copy("tiny_llama");
  edit_config([](Json& config) { config["partial_rotary_factor"] = 0.5; });
  EXPECT_EQ(load_warnings(),
            "quiver: warning: " + in_config("'partial_rotary_factor' 0.5 is not used: the whole "
                                            "head of a llama model turns\n"));
}

}  // namespace
}  // namespace quiver
