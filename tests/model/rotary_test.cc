#include "model/rotary.h"

#include <cmath>

#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using test::max_difference;

const Json kConfig = {{"max_position_embeddings", 64}};

RotaryEmbedding rotary(const Json& settings, std::int64_t head_dim = 8) {
  return make_rotary(rope_settings({{"rope_parameters", settings}}, "here"), kConfig, head_dim, "here");
}

TEST(Rotary, EverySpellingGivesTheSameSettings) {
  const Json expected = {{"rope_type", "linear"},
                         {"type", "linear"},
                         {"factor", 4.0},
                         {"rope_theta", 500.0},
                         {"partial_rotary_factor", 0.5}};
  const Json old = {{"rope_theta", 500.0},
                    {"partial_rotary_factor", 0.5},
                    {"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}};
  EXPECT_EQ(rope_settings(old, "here"), expected);
  Json current = expected;
  current.erase("type");
  EXPECT_EQ(rope_settings({{"rope_parameters", current}}, "here"), current);
  const Json bare = rope_settings({{"rope_scaling", nullptr}}, "here", 0.25);
  EXPECT_EQ(bare, (Json{{"rope_type", "default"}, {"rope_theta", 10000.0}, {"partial_rotary_factor", 0.25}}));
}

TEST(Rotary, FrequenciesFallByPowersOfTheta) {
  const RotaryEmbedding plain = rotary({{"rope_type", "default"}, {"rope_theta", 81.0}});
  EXPECT_LT(max_difference(plain.frequencies, at::tensor({1.0, 1.0 / 3, 1.0 / 9, 1.0 / 27})), 1e-6);
  const RotaryEmbedding half =
      rotary({{"rope_type", "default"}, {"rope_theta", 81.0}, {"partial_rotary_factor", 0.5}});
  EXPECT_LT(max_difference(half.frequencies, at::tensor({1.0, 1.0 / 9})), 1e-6);
  EXPECT_EQ(half.magnitude, 1);
  EXPECT_EQ(half.boundary, 0);
}

// Ding et al. 2024: sqrt(1 + ln(64 / 16) / ln(16)) = sqrt(1.5).
TEST(Rotary, LongRopeHasTwoSetsAndAMagnitude) {
  const RotaryEmbedding rope = rotary({{"rope_type", "longrope"},
                                       {"rope_theta", 81.0},
                                       {"original_max_position_embeddings", 16},
                                       {"short_factor", {1.0, 1.0, 1.0, 2.0}},
                                       {"long_factor", {2.0, 2.0, 2.0, 4.0}}});
  EXPECT_LT(max_difference(rope.frequencies, at::tensor({1.0, 1.0 / 3, 1.0 / 9, 1.0 / 54})), 1e-6);
  EXPECT_LT(max_difference(rope.long_frequencies, at::tensor({0.5, 1.0 / 6, 1.0 / 18, 1.0 / 108})), 1e-6);
  EXPECT_EQ(rope.boundary, 16);
  EXPECT_NEAR(rope.magnitude, std::sqrt(1.5), 1e-12);
}

TEST(Rotary, SettingsThatMakeNoSense) {
  const auto message = [](const Json& settings) { return error_message([&] { rotary(settings); }); };
  EXPECT_EQ(
      message({{"rope_type", "dynamic"}}),
      "here: rope type 'dynamic' is not supported | supported: default, linear, llama3, yarn, longrope");
  EXPECT_NE(message({{"rope_theta", 0}}).find("'rope_theta' is 0"), std::string::npos);
  EXPECT_NE(message({{"rope_theta", "big"}}).find("'rope_theta' has the wrong type"), std::string::npos);
  EXPECT_NE(message({{"partial_rotary_factor", 0.1}}).find("of 0 of a head's 8"), std::string::npos);
  EXPECT_NE(message({{"partial_rotary_factor", 2}}).find("of 16 of a head's 8"), std::string::npos);
  EXPECT_EQ(message({{"rope_type", "linear"}}), "here: 'factor' is missing");
  EXPECT_NE(message({{"rope_type", "linear"}, {"factor", -1}}).find("'factor' is -1"), std::string::npos);
  EXPECT_NE(message({{"rope_type", "llama3"}, {"factor", 8}, {"low_freq_factor", 4}, {"high_freq_factor", 4}})
                .find("not below"),
            std::string::npos);
  const Json factors = {1.0, 1.0, 1.0};
  EXPECT_EQ(message({{"rope_type", "longrope"}, {"short_factor", factors}, {"long_factor", factors}}),
            "here: 'short_factor' has 3 numbers for 4 rotated pairs");
  const Json zero = {1.0, 0.0, 1.0, 1.0};
  EXPECT_NE(message({{"rope_type", "longrope"}, {"short_factor", zero}, {"long_factor", zero}})
                .find("'short_factor' holds 0"),
            std::string::npos);
  EXPECT_NE(message({{"rope_type", "yarn"}, {"original_max_position_embeddings", 0}, {"factor", 2}})
                .find("'original_max_position_embeddings' is 0"),
            std::string::npos);
}

}  // namespace
}  // namespace quiver
