#include "core/json.h"
#include "eval/porter_stemmer.h"
#include "eval/rouge.h"
#include "support/test_support.h"

namespace quiver {
namespace {

// tests/golden/make_rouge.py: rouge-score 0.1.2 and nltk. The arithmetic is the same, so digits are equal;
// the tolerance only spans what printing a double may lose.
TEST(RougeGolden, EqualsRougeScore) {
  const Json golden = read_json_file(test::golden_path("rouge.json"));
  ASSERT_EQ(golden["pairs"].size(), 500u);
  for (const Json& pair : golden["pairs"]) {
    const auto prediction = pair["prediction"].get<std::string>();
    const auto reference = pair["reference"].get<std::string>();
    EXPECT_NEAR(rouge_l(prediction, reference), pair["rouge_l"].get<double>(), 1e-12)
        << prediction << " | " << reference;
    EXPECT_EQ(exact_match(prediction, reference), pair["exact_match"].get<double>())
        << prediction << " | " << reference;
  }
}

TEST(RougeGolden, StemsLikeNltk) {
  const Json golden = read_json_file(test::golden_path("rouge.json"));
  ASSERT_GT(golden["stems"].size(), 1000u);
  for (const auto& [word, stem] : golden["stems"].items())
    EXPECT_EQ(porter_stem(word), stem.get<std::string>()) << word;
}

}  // namespace
}  // namespace quiver
