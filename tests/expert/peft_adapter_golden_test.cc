// The adapter that PEFT itself saved (tests/golden/make_routed_logits.py names the version).
#include <algorithm>

#include "core/files.h"
#include "core/json.h"
#include "quiver/expert.h"
#include "support/test_support.h"
#include "tensor/safetensors.h"

namespace quiver::test {
namespace {

constexpr std::uint64_t kLimit = 1 << 20;

TEST(PeftAdapter, IsReadAsItWasSaved) {
  const auto directory = golden_path("tiny_llama_expert");
  const Expert expert = load_expert(directory);
  EXPECT_EQ(expert.info.name, "tiny_llama_expert");
  EXPECT_EQ(expert.info.base_model, "tiny_llama");
  EXPECT_EQ(expert.info.lora.rank, 4);
  EXPECT_EQ(expert.info.lora.alpha, 16);
  const SafetensorsFile file = SafetensorsFile::open(directory / "adapter_model.safetensors");
  EXPECT_EQ(file.names().size(), 2 * expert.modules.size());
  for (const auto& [path, weights] : expert.modules) {
    EXPECT_EQ(weights.scale, 4) << path;
    EXPECT_TRUE(at::equal(weights.a, file.read("base_model.model." + path + ".lora_A.weight"))) << path;
    EXPECT_TRUE(at::equal(weights.b, file.read("base_model.model." + path + ".lora_B.weight"))) << path;
  }
}

TEST(PeftAdapter, IsWrittenAsPeftWritesIt) {
  const ScratchDirectory scratch;
  const auto directory = golden_path("tiny_llama_expert");
  save_expert(load_expert(directory), scratch / "again");
  EXPECT_EQ(read_file(scratch / "again" / "adapter_model.safetensors", kLimit),
            read_file(directory / "adapter_model.safetensors", kLimit))
      << "the weights file is equal byte by byte";
  // Every key that Quiver writes has PEFT's value; the keys left out are PEFT's defaults.
  Json expected = read_json_file(directory / "adapter_config.json");
  std::sort(expected["target_modules"].begin(), expected["target_modules"].end());  // PEFT saves a set
  const Json written = read_json_file(scratch / "again" / "adapter_config.json");
  for (const auto& [key, value] : written.items()) {
    EXPECT_EQ(value, expected[key]) << key;
  }
}

}  // namespace
}  // namespace quiver::test
