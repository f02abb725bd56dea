// Metadata of a GGUF file beyond the sizes: used, refused by name, or named in a warning.
#include "model/gguf_values.h"

namespace quiver {
namespace {

using test::error_message;
using test::gguf_text;
using test::gguf_value;

class GgufSettingsTest : public testing::Test {
 protected:
  std::filesystem::path path() const { return scratch_ / "model.gguf"; }

  void write(const std::vector<std::string>& values, const std::string& model = "qwen3") const {
    test::write_bytes(path(), test::with_gguf_values("families/" + model + ".gguf", values));
  }
  std::string error(const std::string& value, const std::string& model = "qwen3") const {
    write({value}, model);
    return error_message([&] { BaseModel::load(path()); });
  }
  std::string warnings(const std::string& value, const std::string& model = "qwen3") const {
    write({value}, model);
    testing::internal::CaptureStderr();
    BaseModel::load(path());
    return testing::internal::GetCapturedStderr();
  }
  std::string in_file(const std::string& message) const { return path().string() + ": " + message; }
  static std::string number(const std::string& key, float value) { return gguf_value(key, 6, value); }
  static std::string flag(const std::string& key, bool value) {
    return gguf_value<std::uint8_t>(key, 7, value ? 1 : 0);
  }

  test::ScratchDirectory scratch_;
};

TEST_F(GgufSettingsTest, WhatChangesTheComputationIsRefusedByName) {
  for (const char* key :
       {"attention.clamp_kqv", "attention.max_alibi_bias", "attention.output_scale",
        "attention.sliding_window", "attention.shared_kv_layers", "attention.temperature_length",
        "attn_logit_softcapping", "embedding_scale", "expert_count", "expert_used_count",
        "final_logit_softcapping", "logit_scale", "nextn_predict_layers", "residual_scale",
        "rope.scaling.alpha", "rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor",
        "rope.scaling.yarn_ext_factor", "router_logit_softcapping"}) {
    EXPECT_EQ(error(number(std::string("qwen3.") + key, 3)),
              in_file("'qwen3." + std::string(key) + "' 3.0 is not supported"));
  }
  EXPECT_EQ(error(flag("qwen3.attention.causal", false)),
            in_file("'qwen3.attention.causal' 0.0 is not supported"));
  EXPECT_EQ(error(flag("qwen3.use_parallel_residual", true)),
            in_file("'qwen3.use_parallel_residual' 1.0 is not supported"));
  EXPECT_EQ(error(flag("phi2.use_parallel_residual", false), "phi"),
            in_file("'phi2.use_parallel_residual' is 0.0 where this architecture has 1.0"));
}

TEST_F(GgufSettingsTest, WhatChangesNothingIsTaken) {
  for (const char* key :
       {"attention.clamp_kqv", "attention.max_alibi_bias", "attention.scale", "attn_logit_softcapping",
        "expert_count", "expert_used_count", "final_logit_softcapping", "logit_scale", "residual_scale"}) {
    EXPECT_EQ(warnings(number(std::string("qwen3.") + key, 0)), "") << key;
  }
  for (const char* key : {"logit_scale", "embedding_scale", "rope.scaling.attn_factor", "rope.scaling.factor",
                          "rope.scale_linear", "rope.scaling.finetuned", "vocab_size", "pooling_type"}) {
    EXPECT_EQ(warnings(number(std::string("qwen3.") + key, 1)), "") << key;
  }
  EXPECT_EQ(warnings(flag("qwen3.attention.causal", true)), "");
  EXPECT_EQ(warnings(number("qwen3.attention.scale", 0.316227766F)), "");  // 1 / sqrt(10)
  EXPECT_EQ(warnings(number("qwen3.attention.sliding_window", 96)), "");   // as long as the longest text
  EXPECT_EQ(warnings(gguf_text("qwen3.tensor_data_layout", "reference")), "");
}

TEST_F(GgufSettingsTest, WhatFollowsFromOtherValuesMustAgree) {
  EXPECT_EQ(error(number("qwen3.attention.scale", 0.5F)),
            in_file("'qwen3.attention.scale' is 0.5 where this architecture has " +
                    dump_json(Json(1 / std::sqrt(10.0)))));
  EXPECT_EQ(error(number("gpt2.attention.head_count_kv", 2), "gpt2"),
            in_file("'gpt2.attention.head_count_kv' is 2.0 where this architecture has 4.0"));
}

TEST_F(GgufSettingsTest, UnknownKeys) {
  for (const char* key :
       {"rope.dimension_sections", "rope.new_thing", "attention.new_thing", "expert_new_thing"})
    EXPECT_EQ(
        error(number(std::string("qwen3.") + key, 1)),
        in_file("'qwen3." + std::string(key) + "' is not known, and may change what the model computes"));
  EXPECT_EQ(error(number("gpt2.rope.freq_base", 1), "gpt2"),
            in_file("'gpt2.rope.freq_base' is not known, and may change what the model computes"));
  EXPECT_EQ(warnings(number("qwen3.new\nthing", 1)),
            "quiver: warning: " + in_file("settings that are not known are not used: 'qwen3.new\\nthing'\n"));
  EXPECT_EQ(warnings(number("qwen3.attention.layer_norm_epsilon", 1)),
            "quiver: warning: " +
                in_file("settings that are not known are not used: 'qwen3.attention.layer_norm_epsilon'\n"));
  EXPECT_EQ(warnings(number("other.rope.scale_linear", 4)), "");
}

TEST_F(GgufSettingsTest, RopeScaling) {
  EXPECT_EQ(error(gguf_text("qwen3.rope.scaling.type", "dynamic\n")),
            in_file("rope scaling 'dynamic\\n' is not supported") +
                " | supported: none, linear, yarn, and longrope with its tensors of factors");
  EXPECT_EQ(error(number("qwen3.rope.scale_linear", -4)), in_file("'factor' is -4.000000"));
  EXPECT_EQ(error(number("phi3.rope.scaling.factor", 4), "phi3_longrope"),
            in_file("'phi3.rope.scaling.factor' is 4.0 where this architecture has 1.0"));
}

TEST_F(GgufSettingsTest, FilesThatAreNoWholeModel) {
  EXPECT_EQ(error(gguf_text("general.type", "adapter")),
            in_file("'general.type' is 'adapter', not 'model' | give the base model itself"));
  EXPECT_EQ(error(gguf_value<std::uint16_t>("split.count", 2, 3)),
            in_file("one of 3 parts of a model | put them together with llama-gguf-split --merge"));
}

// The number of the file's own value for a key, in place.
void set_number(std::string& bytes, const std::string& key, std::uint32_t number) {
  const std::size_t place = bytes.find(key) + key.size() + 4;
  std::memcpy(bytes.data() + place, &number, sizeof number);
}

TEST_F(GgufSettingsTest, MoreLayersThanTensors) {
  std::string bytes = test::with_gguf_values("families/qwen3.gguf", {});
  for (const std::uint32_t layers : {25u, 1000000u, 16777216u}) {
    set_number(bytes, "qwen3.block_count", layers);
    test::write_bytes(path(), bytes);
    EXPECT_EQ(
        error_message([&] { BaseModel::load(path()); }),
        in_file("'qwen3.block_count' is " + std::to_string(layers) +
                ", but the file has 24 tensors | the file is damaged or was cut short; fetch or write it "
                "again"));
  }
  set_number(bytes, "qwen3.block_count", 4294967295u);
  test::write_bytes(path(), bytes);
  EXPECT_EQ(error_message([&] { BaseModel::load(path()); }),
            in_file("'qwen3.block_count' is 4294967295, not between 1 and 16777216"));
}

TEST_F(GgufSettingsTest, ATokenIdOfMoreThan32Bits) {
  EXPECT_EQ(error(gguf_value<std::uint64_t>("tokenizer.ggml.eot_token_id", 10, 1ull << 32)),
            in_file("'tokenizer.ggml.eot_token_id' is 4294967296"));
}

}  // namespace
}  // namespace quiver
