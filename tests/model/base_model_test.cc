// What BaseModel says about models that it cannot load and inputs that it cannot run. The models are variants
// of tests/golden/tiny_llama and tiny_gpt_neo.
#include "quiver/base_model.h"

#include <ATen/core/grad_mode.h>

#include <cstring>
#include <limits>

#include "model/broken_model.h"
#include "tensor/gguf.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

using test::batch_of;
using test::BrokenModelTest;
using test::error_message;

TEST_F(BrokenModelTest, NoModelAtAll) {
  EXPECT_EQ(error_message([&] { BaseModel::load(scratch_ / "nothing"); }),
            "no base model at '" + (scratch_ / "nothing").string() +
                "' | give a Hugging Face directory, a .gguf file, or a name that `quiver fetch` knows");
  EXPECT_NE(error_message([&] { BaseModel::load(scratch_.path()); }).find("config.json"), std::string::npos);
  write_file_atomic(scratch_ / "model.gguf", "not a model");
  EXPECT_NE(error_message([&] { BaseModel::load(scratch_ / "model.gguf"); }).find("model.gguf"),
            std::string::npos);
}

// The file is whole otherwise: later tensors move up to where the rows were.
TEST_F(BrokenModelTest, AnAttentionWeightWithoutRowsInGguf) {
  const fs::path path = test::golden_path("families/llama3.gguf");
  std::string bytes = read_file(path, 1 << 20);
  const auto sizes_of = [&](const std::string& name) {  // after their number: width, rows, type, offset
    return bytes.find(std::string(1, static_cast<char>(name.size())) + std::string(7, '\0') + name) + 8 +
           name.size() + 4;
  };
  const auto number_at = [&](std::size_t place) {
    std::uint64_t number;
    std::memcpy(&number, bytes.data() + place, sizeof number);
    return number;
  };
  const auto set_number = [&](std::size_t place, std::uint64_t number) {
    std::memcpy(bytes.data() + place, &number, sizeof number);
  };
  const std::size_t sizes = sizes_of("blk.0.attn_q.weight");
  const std::uint64_t removed = number_at(sizes) * number_at(sizes + 8) * sizeof(float);
  const std::uint64_t offset = number_at(sizes + 20);
  const GgufFile file = GgufFile::open(path);
  for (const std::string& other : file.names()) {
    const std::size_t place = sizes_of(other) + (file.shape(other).size() == 1 ? 12 : 20);
    if (number_at(place) > offset) set_number(place, number_at(place) - removed);
  }
  set_number(sizes, 32);
  set_number(sizes + 8, 0);
  bytes[sizes + 16] = 8;  // Q8_0
  bytes.resize(bytes.size() - removed);
  write_file_atomic(scratch_ / "model.gguf", bytes);
  for (const Precision precision : {Precision::kFloat32, Precision::kQ8}) {
    EXPECT_EQ(error_message([&] { BaseModel::load(scratch_ / "model.gguf", {.precision = precision}); }),
              (scratch_ / "model.gguf").string() + ": an attention weight does not fit the number of heads");
  }
}

TEST_F(BrokenModelTest, UnknownFamily) {
  EXPECT_EQ(
      config_error("tiny_llama", "model_type", "mamba"),
      (directory() / "config.json").string() +
          ": model family 'mamba' is not supported | supported families: gemma3_text, gpt2, gpt_neo, llama, "
          "mistral, phi, phi3, qwen2, qwen3");
  EXPECT_NE(config_error("tiny_llama", "model_type", nullptr).find("model family '' is not supported"),
            std::string::npos);
  EXPECT_NE(config_error("tiny_llama", "model_type", 7).find("'model_type' has the wrong type: 7"),
            std::string::npos);
}

TEST_F(BrokenModelTest, SettingsThatChangeTheComputationAreRefused) {
  EXPECT_NE(config_error("tiny_llama", "attention_bias", true)
                .find("no tensor 'model.layers.0.self_attn.q_proj.bias'"),
            std::string::npos);
  EXPECT_NE(
      config_error("tiny_llama", "mlp_bias", true).find("no tensor 'model.layers.0.mlp.gate_proj.bias'"),
      std::string::npos);
  EXPECT_NE(config_error("tiny_llama", "hidden_act", "gelu").find("hidden_act 'gelu' is not supported"),
            std::string::npos);
  EXPECT_NE(
      config_error("tiny_llama", "rope_parameters", {{"rope_type", "dynamic"}}).find("rope type 'dynamic'"),
      std::string::npos);
  EXPECT_NE(
      config_error("tiny_llama", "rope_scaling", {{"type", "proportional"}}).find("rope type 'proportional'"),
      std::string::npos);
  EXPECT_NE(config_error("tiny_gpt_neo", "activation_function", "relu").find("activation_function 'relu'"),
            std::string::npos);
  EXPECT_NE(config_error("tiny_gpt_neo", "attention_types", Json::parse(R"([[["global", "far"], 2]])"))
                .find("attention type 'far'"),
            std::string::npos);
}

TEST_F(BrokenModelTest, SizesThatContradictEachOther) {
  EXPECT_NE(config_error("tiny_llama", "num_key_value_heads", 3).find("heads 4, key/value heads 3"),
            std::string::npos);
  EXPECT_NE(config_error("tiny_llama", "num_attention_heads", 0)
                .find("'num_attention_heads' is 0, not between 1 and 16777216"),
            std::string::npos);
  EXPECT_NE(config_error("tiny_llama", "num_hidden_layers", -1).find("'num_hidden_layers' is -1"),
            std::string::npos);
  EXPECT_NE(config_error("tiny_llama", "head_dim", 7).find("sizes do not fit together"), std::string::npos);
  EXPECT_NE(config_error("tiny_gpt_neo", "num_heads", 5).find("hidden_size 32 is not a multiple"),
            std::string::npos);
  EXPECT_NE(config_error("tiny_gpt_neo", "num_layers", 3).find("describes 4 layers, 'num_layers' is 3"),
            std::string::npos);
  EXPECT_NE(config_error("tiny_gpt_neo", "attention_types", "global").find("'attention_types' is not a list"),
            std::string::npos);
  EXPECT_NE(config_error("tiny_gpt_neo", "attention_types", Json::parse(R"([[["global"], 1000000000]])"))
                .find("'num_layers' is 4"),
            std::string::npos);
}

TEST_F(BrokenModelTest, SizesThatTheWeightsContradict) {
  EXPECT_EQ(config_error("tiny_llama", "intermediate_size", 65),
            directory().string() +
                ": tensor 'model.layers.0.mlp.gate_proj.weight' has shape [64, 32], the "
                "model's configuration asks for [65, 32]");
  EXPECT_NE(config_error("tiny_llama", "num_hidden_layers", 3).find("no tensor 'model.layers.2."),
            std::string::npos);
  EXPECT_NE(config_error("tiny_llama", "vocab_size", 255)
                .find("the tokenizer has 320 tokens (end of text is 0), the model's vocabulary 255"),
            std::string::npos);
  EXPECT_NE(config_error("tiny_gpt_neo", "max_position_embeddings", 100)
                .find("'transformer.wpe.weight' has shape [64, 32]"),
            std::string::npos);
}

TEST_F(BrokenModelTest, ValuesNobodyCanAllocate) {
  constexpr auto kHuge = std::numeric_limits<std::int64_t>::max() / 2;
  for (const char* key : {"hidden_size", "vocab_size", "num_hidden_layers", "intermediate_size",
                          "num_attention_heads", "num_key_value_heads", "head_dim"}) {
    EXPECT_NE(config_error("tiny_llama", key, kHuge).find(std::string(key) + "' is 4611686018427387903"),
              std::string::npos);
  }
  for (const Json& positions : {Json(kHuge), Json(0), Json(-5)}) {
    EXPECT_NE(
        config_error("tiny_llama", "max_position_embeddings", positions).find("max_position_embeddings"),
        std::string::npos)
        << positions;
  }
}

TEST_F(BrokenModelTest, MissingAndMisshapenTensors) {
  copy("tiny_llama");
  edit_weights([](auto& tensors) { tensors.erase("model.layers.1.mlp.down_proj.weight"); });
  EXPECT_EQ(load_error(),
            directory().string() + ": the base model has no tensor 'model.layers.1.mlp.down_proj.weight'");
  copy("tiny_llama");
  edit_weights([](auto& tensors) { tensors["model.norm.weight"] = at::ones({31}); });
  EXPECT_EQ(load_error(),
            directory().string() +
                ": tensor 'model.norm.weight' has shape [31], the model's configuration asks for [32]");
  copy("tiny_llama");
  edit_weights([](auto& tensors) { tensors["model.norm.weight"] = at::ones({32, 1}); });
  EXPECT_NE(load_error().find("has shape [32, 1]"), std::string::npos);
  copy("tiny_llama_untied");
  edit_weights([](auto& tensors) { tensors.erase("lm_head.weight"); });
  EXPECT_EQ(load_error(), directory().string() +
                              ": the base model has no tensor 'lm_head.weight' | where the head is the "
                              "embedding, set \"tie_word_embeddings\": true in config.json");
}

TEST_F(BrokenModelTest, BiasesInOnlySomeLayersOfAGroup) {
  copy("tiny_llama");
  edit_config([](Json& config) { config["attention_bias"] = true; });
  edit_weights([](auto& tensors) { tensors["model.layers.0.self_attn.q_proj.bias"] = at::ones({32}); });
  EXPECT_EQ(load_error(),
            directory().string() + ": the base model has no tensor 'model.layers.0.self_attn.k_proj.bias'");
}

TEST_F(BrokenModelTest, BrokenConfig) {
  copy("tiny_llama");
  write_file_atomic(directory() / "config.json", "{\"model_type\": \"llama\", ");
  EXPECT_NE(load_error().find("config.json"), std::string::npos);
  write_file_atomic(directory() / "config.json", "[]");
  EXPECT_NE(load_error(), "");
  copy("tiny_llama");
  edit_config([](Json& config) { config.erase("hidden_size"); });
  EXPECT_EQ(load_error(), (directory() / "config.json").string() + ": 'hidden_size' is missing");
  EXPECT_NE(config_error("tiny_llama", "hidden_size", "wide").find("'hidden_size' has the wrong type"),
            std::string::npos);
}

TEST_F(BrokenModelTest, MissingTokenizerAndEndOfText) {
  copy("tiny_llama");
  fs::remove(directory() / "tokenizer.json");
  EXPECT_NE(load_error().find("tokenizer.json"), std::string::npos);
  copy("tiny_llama");
  fs::remove(directory() / "tokenizer_config.json");
  edit_config([](Json& config) { config.erase("eos_token_id"); });
  EXPECT_EQ(load_error(),
            directory().string() + ": no end-of-text token is named | set eos_token_id in config.json");
  copy("tiny_llama");
  fs::remove(directory() / "tokenizer_config.json");
  edit_config([](Json& config) { config["eos_token_id"] = 5000; });
  EXPECT_NE(load_error().find("end of text is 5000"), std::string::npos);
}

TEST_F(BrokenModelTest, StopIdsComeFromBothFiles) {
  copy("tiny_llama");
  write_file_atomic(directory() / "generation_config.json", R"({"eos_token_id": [7, 0, 3]})");
  EXPECT_EQ(BaseModel::load(directory())->stop_ids(), (std::vector<std::int32_t>{0, 3, 7}));
}

TEST_F(BrokenModelTest, NamesOfTheBareModelAreUnderstood) {
  copy("tiny_gpt_neo");
  edit_weights([](auto& tensors) {
    std::map<std::string, at::Tensor> bare;
    for (const auto& [name, tensor] : tensors) bare[name.substr(name.find('.') + 1)] = tensor;
    tensors = bare;
  });
  EXPECT_EQ(BaseModel::load(directory())->fingerprint(), test::golden_base("tiny_gpt_neo")->fingerprint());
}

// A tokenizer may have some tokens that the model has not; a text that holds one is refused when it is run.
TEST_F(BrokenModelTest, AVocabularyOfFewerTokensThanTheTokenizer) {
  copy("tiny_llama");
  edit_config([](Json& config) { config["vocab_size"] = 319; });
  edit_weights([](auto& tensors) {
    at::Tensor& embedding = tensors.at("model.embed_tokens.weight");
    embedding = embedding.slice(0, 0, 319).contiguous();
  });
  const auto base = BaseModel::load(directory());
  EXPECT_EQ(base->tokenizer().size(), 320);
  EXPECT_EQ(error_message([&] { base->forward(batch_of({{319}})); }),
            "token id 319 is outside the vocabulary of 319");
}

TEST_F(BrokenModelTest, ALanguageModelNestedInAMultimodalOne) {
  fs::copy(test::golden_path("families/gemma3"), directory());
  fs::copy(test::golden_path("tiny_llama/tokenizer.json"), directory());
  Json text = read_json_file(directory() / "config.json");
  text.erase("model_type");
  const Json config = {{"model_type", "gemma3"}, {"text_config", text}, {"vision_config", Json::object()}};
  write_file_atomic(directory() / "config.json", dump_json(config));
  const SafetensorsFile plain = SafetensorsFile::open(test::golden_path("families/gemma3/model.safetensors"));
  for (const std::string prefix : {"language_model.", "model.language_"}) {
    std::map<std::string, at::Tensor> nested;
    for (const std::string& name : plain.names()) nested[prefix + name] = plain.read(name);
    write_safetensors(directory() / "model.safetensors", nested);
    EXPECT_EQ(BaseModel::load(directory())->fingerprint(), test::load_family("gemma3")->fingerprint());
  }
}

// "su" is what the first long-context files called longrope.
TEST_F(BrokenModelTest, TheFirstNameOfLongRope) {
  fs::copy(test::golden_path("families/phi3_longrope"), directory());
  fs::copy(test::golden_path("tiny_llama/tokenizer.json"), directory());
  edit_config([](Json& config) { config["rope_scaling"]["type"] = "su"; });
  const at::NoGradGuard no_gradients;
  const RaggedBatch batch = batch_of({{1, 2, 3, 4, 5, 6, 7, 8}});
  EXPECT_TRUE(at::equal(BaseModel::load(directory())->forward(batch),
                        test::load_family("phi3_longrope")->forward(batch)));
}

TEST_F(BrokenModelTest, FamilySettingsThatChangeTheComputation) {
  const auto family_error = [&](const char* family, const char* key, const Json& value) {
    fs::remove_all(directory());
    fs::copy(test::golden_path(std::string("families/") + family), directory());
    edit_config([&](Json& config) { config[key] = value; });
    return load_error();
  };
  EXPECT_NE(family_error("gemma3", "final_logit_softcapping", 30.0)
                .find("'final_logit_softcapping' 30.0 is not supported"),
            std::string::npos);
  EXPECT_NE(family_error("gemma3", "use_bidirectional_attention", true).find("use_bidirectional_attention"),
            std::string::npos);
  EXPECT_NE(family_error("gemma3", "layer_types", {"full_attention"}).find("1 entries for 4 layers"),
            std::string::npos);
  EXPECT_NE(family_error("qwen2", "layer_types", {"full_attention", "linear_attention"})
                .find("layer type 'linear_attention'"),
            std::string::npos);
  EXPECT_NE(family_error("qwen2", "sliding_window", nullptr).find("'sliding_window' is missing"),
            std::string::npos);
  EXPECT_NE(family_error("phi", "qk_layernorm", true).find("'qk_layernorm' true"), std::string::npos);
  EXPECT_NE(family_error("gpt2", "scale_attn_by_inverse_layer_idx", true).find("scale_attn_by_inverse"),
            std::string::npos);
  EXPECT_NE(family_error("gpt2", "n_head", 5).find("n_embd 16 is not a multiple of n_head 5"),
            std::string::npos);
  EXPECT_NE(family_error("mistral", "sliding_window", -4).find("'sliding_window' is -4"), std::string::npos);
}

TEST(BaseModelInput, IdsOutsideTheVocabulary) {
  const auto base = test::golden_base("tiny_llama");
  EXPECT_EQ(error_message([&] {
              base->forward(batch_of({{1, 320}}));
            }),
            "token id 320 is outside the vocabulary of 320");
  EXPECT_EQ(error_message([&] {
              base->forward(batch_of({{1}, {-1}}));
            }),
            "token id -1 is outside the vocabulary of 320");
}

TEST(BaseModelInput, SequencesThatAreTooLong) {
  const auto base = test::golden_base("tiny_gpt_neo");
  EXPECT_EQ(error_message([&] { base->forward(batch_of({std::vector<std::int32_t>(65, 1)})); }),
            "a sequence of 65 tokens is longer than the model's 64 positions | shorten the input: "
            "max_input_length, or --max-new-tokens");
  EXPECT_NO_THROW(base->forward(batch_of({std::vector<std::int32_t>(64, 1)})));
}

TEST(BaseModelInput, CachesThatDoNotFit) {
  const auto base = test::golden_base("tiny_llama");
  SequenceCache cache = base->make_cache(3);
  SequenceCache* const caches[] = {&cache};
  base->forward(batch_of({{1, 2}}), nullptr, caches);
  EXPECT_EQ(error_message([&] {
              base->forward(batch_of({{1, 2}}), nullptr, caches);
            }),
            "a cache for 3 tokens was given 4");
  EXPECT_EQ(cache.length(), 2);
  EXPECT_EQ(error_message([&] {
              base->forward(batch_of({{1}, {2}}), nullptr, caches);
            }),
            "2 sequences with 1 caches");
}

TEST(BaseModelInput, RowsThatTheBatchDoesNotHave) {
  const auto base = test::golden_base("tiny_llama");
  RaggedBatch batch = batch_of({{1, 2}, {3}});
  for (const std::vector<std::int64_t>& rows :
       std::vector<std::vector<std::int64_t>>{{3}, {-1, 2}, {1, 1}, {2, 0}}) {
    batch.rows = rows;
    EXPECT_EQ(error_message([&] { base->forward(batch); }),
              "the rows of a batch must ascend within its 3 tokens");
  }
}

TEST(BaseModelInput, EmptyBatches) {
  const auto base = test::golden_base("tiny_llama");
  EXPECT_EQ(base->forward(RaggedBatch()).sizes(), (at::IntArrayRef{0, 32}));
  EXPECT_EQ(base->forward(batch_of({{}, {}})).sizes(), (at::IntArrayRef{0, 32}));
}

TEST(BaseModelOptions, Devices) {
  const auto load = [](const std::string& device) {
    return error_message([&] { BaseModel::load(test::golden_path("tiny_llama"), {.device = device}); });
  };
  EXPECT_EQ(load("tpu"), "no device is called \"tpu\" | use cpu, cuda or cuda:N with N from 0");
  if (!fs::exists("/dev/nvidia0")) {
    EXPECT_NE(load("cuda").find("device \"cuda\" is not available"), std::string::npos);
    EXPECT_NE(load("cuda").find("use --device cpu"), std::string::npos);
  }
}

TEST(BaseModelOptions, Precisions) {
  for (const char* text : {"float32", "32", "fp32"}) EXPECT_EQ(parse_precision(text), Precision::kFloat32);
  for (const char* text : {"bfloat16", "bf16"}) EXPECT_EQ(parse_precision(text), Precision::kBFloat16);
  EXPECT_EQ(parse_precision("q8"), Precision::kQ8);
  EXPECT_EQ(
      error_message([] { parse_precision("q4"); }),
      "unknown precision 'q4' | use float32, bfloat16 or q8; a GGUF file's 4-bit weights stay as they are in "
      "float32");
}

}  // namespace
}  // namespace quiver
