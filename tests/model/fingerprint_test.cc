// Fingerprints of the golden models as version 0.1.0 made them. Experts name the base that they were trained
// on by it, so that none of these may ever change.
#include "support/golden.h"

namespace quiver {
namespace {

TEST(Fingerprint, TinyModels) {
  const std::map<std::string, std::string> expected = {
      {"tiny_llama", "c0c717efc83e0982486d1163294c4006179f42c08609b3f27ff0496186b1a701"},
      {"tiny_llama_sharded", "c0c717efc83e0982486d1163294c4006179f42c08609b3f27ff0496186b1a701"},
      {"tiny_llama_untied", "4693ebed88d2d398d8926fbdc0131a136bd8edac891339c880d3986882dc8da8"},
      {"tiny_gpt_neo", "95acb419b7317e50eea3575703340bd7657ea91f0b08e6e11195e0b55fd307e7"},
  };
  for (const auto& [name, fingerprint] : expected)
    EXPECT_EQ(test::golden_base(name)->fingerprint(), fingerprint) << name;
}

TEST(Fingerprint, Families) {
  const std::map<std::string, std::string> expected = {
      {"gpt2", "fe9b223bc6243de70d27d814ca4c595435149029be35fc8c8863865301763408"},
      {"phi", "ac6cbbcff176256cea48e5aa88af74674453778cb97dad514591dd1a106d1765"},
      {"phi3", "1def2b805892ec2f0755aea9f328836da0c722704bd2f666988c8040748498ee"},
      {"mistral", "2f4d2cd8c22b1bdabd8992bd11191648ee9ab4385dd24f264e7fa060694d9684"},
      {"llama_biased", "e8a086a7c8e581faaadd3a2fab1d764b4e9541488bfd77a7b997539b8e434a27"},
      {"qwen2", "814956202dbff3643fe2ec0763448dc826715b01cebdec0b9aa7667a8364ac57"},
      {"qwen3", "f71704a1af7f9ecd44f032ef01e2b745befc93b2397511c8731b268fd4166cdf"},
      {"gemma3", "4e80a16c60ad25ffed430a3567297bb07c97997ea1d5ec397849bf7a2760ea57"},
      {"gemma3_old.gguf", "7d2873bd4bd765a932e8f0b40f7672db4901ffdc1a3fa937a9ac971d62dd1b44"},
  };
  for (const auto& [name, fingerprint] : expected)
    EXPECT_EQ(test::load_family(name)->fingerprint(), fingerprint) << name;
}

}  // namespace
}  // namespace quiver
