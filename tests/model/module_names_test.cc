// Names of a model's linear layers, from its settings alone.

#include "core/files.h"
#include "quiver/base_model.h"
#include "support/golden.h"

namespace fs = std::filesystem;

namespace quiver::test {
namespace {

std::vector<std::string> slot_paths(const BaseModel& base) {
  std::vector<std::string> paths;
  for (const LinearSlot& slot : base.slots()) paths.push_back(slot.path);
  return paths;
}

TEST(ModuleNames, AreThoseOfTheLoadedModel) {
  for (const char* name : {"gemma3", "gpt2", "gpt2.gguf", "phi", "phi3", "qwen3", "llama3.gguf"}) {
    SCOPED_TRACE(name);
    const ModuleNames names = read_module_names(golden_path("families/" + std::string(name)));
    EXPECT_EQ(names.paths, slot_paths(*load_family(name)));
    EXPECT_EQ(names.decoder, "");
  }
  EXPECT_EQ(read_module_names(golden_path("tiny_gpt_neo")).paths.front(),
            "transformer.h.0.attn.attention.q_proj");
}

// config.json of a model with a vision tower holds the settings of its language model.
TEST(ModuleNames, SayWhereANestedDecoderStands) {
  const ScratchDirectory scratch;
  const fs::path stored = golden_path("families/gemma3");
  fs::copy(stored / "model.safetensors", scratch / "model.safetensors");
  const Json text = read_json_file(stored / "config.json");
  write_file_atomic(scratch / "config.json", dump_json({{"model_type", "gemma3"}, {"text_config", text}}));
  fs::copy(golden_path("tiny_llama/tokenizer.json"), scratch.path());
  const ModuleNames names = read_module_names(scratch.path());
  EXPECT_EQ(names.decoder, "model.language_model");
  EXPECT_EQ(names.paths.front(), "model.layers.0.self_attn.q_proj");
  const auto base = BaseModel::load(scratch.path());
  EXPECT_EQ(base->shape().decoder, "model.language_model");
  EXPECT_EQ(names.paths, slot_paths(*base));
}

// A claimed number of layers costs nothing.
TEST(ModuleNames, LayersThatTheFileDoesNotHave) {
  const ScratchDirectory scratch;
  fs::copy(golden_path("tiny_llama/model.safetensors"), scratch.path());
  Json config = read_json_file(golden_path("tiny_llama/config.json"));
  config["num_hidden_layers"] = 16000;
  write_file_atomic(scratch / "config.json", dump_json(config));
  EXPECT_NE(error_message([&] { read_module_names(scratch.path()); }).find("has no tensor 'model.layers.2."),
            std::string::npos);
}

}  // namespace
}  // namespace quiver::test
