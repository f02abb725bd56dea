#include <sstream>

#include "core/json.h"
#include "eval/rouge.h"
#include "support/test_support.h"

namespace quiver {
namespace {

std::vector<std::string> lines(const std::filesystem::path& path) {
  std::istringstream input(read_file(path, 1 << 20));
  std::vector<std::string> result;
  for (std::string line; std::getline(input, line);) result.push_back(line);
  return result;
}

// Ground truth of ROUGE-1.5.5, given to five places. Its Rouge-L cases are unstemmed; stemming can only add
// matches, and on the first line and the short cases it adds none.
TEST(RougeShared, EqualsRouge155) {
  QUIVER_REQUIRE_SHARED(folder, "rouge-golden");
  const Json expected = read_json_file(folder / "expected.json");
  const std::vector<std::string> targets = lines(folder / "target.txt");
  const std::vector<std::string> predictions = lines(folder / "prediction.txt");
  int checked = 0;
  for (const Json& item : expected["cases"]) {
    if (item["type"] != "rougeL") continue;
    const auto line = item["line"].get<std::size_t>();
    const double value = rouge_l(predictions.at(line), targets.at(line));
    if (line == 0) {
      EXPECT_NEAR(value, item["F"].get<double>(), 5e-6);
    } else {
      EXPECT_GE(value, item["F"].get<double>() - 5e-6);
    }
    ++checked;
  }
  for (const Json& item : expected["inline"]) {
    if (item["type"] != "rougeL") continue;
    EXPECT_NEAR(rouge_l(item["prediction"].get<std::string>(), item["target"].get<std::string>()),
                item["F"].get<double>(), 5e-6);
    ++checked;
  }
  EXPECT_EQ(checked, 4);
}

}  // namespace
}  // namespace quiver
