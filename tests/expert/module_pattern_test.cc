#include "expert/module_pattern.h"

#include <chrono>

#include "support/test_support.h"

namespace quiver::test {
namespace {

constexpr char kPath[] = "model.layers.10.self_attn.q_proj";

TEST(ModulePattern, PlainKeysMatchWholePathsAndEndings) {
  EXPECT_TRUE(ModulePattern("model.layers.10.self_attn.q_proj").matches(kPath));
  EXPECT_TRUE(ModulePattern("q_proj").matches(kPath));
  EXPECT_TRUE(ModulePattern("self_attn.q_proj").matches(kPath));
  EXPECT_FALSE(ModulePattern("proj").matches(kPath));
  EXPECT_FALSE(ModulePattern("self_attn").matches(kPath));
  EXPECT_FALSE(ModulePattern("0.self_attn.q_proj").matches(kPath));
  EXPECT_TRUE(ModulePattern("self.attn.q_proj").matches(kPath))
      << "a dot is any character, as in Python's re";
}

TEST(ModulePattern, CaretAsksForTheWholePath) {
  EXPECT_TRUE(ModulePattern("^model.layers.10.self_attn.q_proj").matches(kPath));
  EXPECT_FALSE(ModulePattern("^self_attn.q_proj").matches(kPath));
  EXPECT_TRUE(ModulePattern("^model.*(q|k)_proj").matches(kPath));
  EXPECT_FALSE(ModulePattern("^layers.*q_proj").matches(kPath));
}

TEST(ModulePattern, Regexes) {
  EXPECT_TRUE(ModulePattern(".*q_proj").matches(kPath));
  EXPECT_TRUE(ModulePattern("layers\\.[0-9]+\\.self_attn\\.(q|v)_proj").matches(kPath));
  EXPECT_FALSE(ModulePattern("layers\\.[0-9]\\.self_attn\\.q_proj").matches(kPath));
  EXPECT_TRUE(ModulePattern("k_proj|q_proj").matches(kPath)) << "the alternatives are one group";
  EXPECT_TRUE(ModulePattern("layers\\.[0-9]{2}\\.self_attn\\.(?P<one>q)_proj").matches(kPath));
  EXPECT_FALSE(ModulePattern("layers\\.[0-9]{3}\\.self_attn\\.q_proj").matches(kPath));
}

TEST(ModulePattern, HostileKeysAreRefusedOrHarmless) {
  for (const std::string key : {"(", "[a", "(a)\\2", "a{100000}", "(?R)", "*", "\\p{L}"}) {
    EXPECT_NE(error_message([&] { ModulePattern{key}; }).find("the module pattern '" + key + "'"),
              std::string::npos);
  }
  EXPECT_THROW(ModulePattern(std::string(100000, '(')), Error);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(ModulePattern("(a*)*(a*)*b").matches(std::string(200, 'a')));
  EXPECT_NE(error_message([] {
              ModulePattern("(a*)*(a*)*[bc]").matches(std::string(200, 'a'));
            }).find("gives up on a text of 200 bytes"),
            std::string::npos);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

}  // namespace
}  // namespace quiver::test
