#include "core/regex.h"

#include <string>

#include "support/test_support.h"

namespace quiver::test {
namespace {

bool fullmatch(const std::string& pattern, const std::string& text) {
  return Regex::python_fullmatch(pattern, "test").matches(text);
}

// Expected values are those of re.fullmatch of Python 3.11.
TEST(PythonFullmatch, MatchesTheWholeText) {
  EXPECT_TRUE(fullmatch(".*self_attn", "model.layers.0.self_attn"));
  EXPECT_FALSE(fullmatch("self_attn", "model.layers.0.self_attn"));
  EXPECT_FALSE(fullmatch("q|q_proj_", "q_proj")) << "no alternative reaches the end";
  EXPECT_TRUE(fullmatch("q|q_proj", "q_proj")) << "a shorter alternative that comes first is given up";
  EXPECT_TRUE(fullmatch("", ""));
  EXPECT_FALSE(fullmatch("a.b", "a\nb"));
}

TEST(PythonFullmatch, ReadsPythonsSyntax) {
  EXPECT_TRUE(fullmatch("(?P<name>[qk])_(?P=name)", "k_k"));
  EXPECT_TRUE(fullmatch("a{,3}b", "aab")) << "none to three";
  EXPECT_FALSE(fullmatch("a{,3}b", "a{,3}b"));
  EXPECT_TRUE(fullmatch("[[:digit:]x]", ":x]")) << "a class of [ : d i g t, then x]";
  EXPECT_TRUE(fullmatch("[]a]+", "]a"));
  EXPECT_TRUE(fullmatch("a\\Z", "a"));
  EXPECT_TRUE(fullmatch("\\w\\d", "\u00e9\u0663")) << "letters and digits of Unicode";
  EXPECT_TRUE(fullmatch("(?i)Q_PROJ", "q_proj"));
}

TEST(PythonFullmatch, RefusesWhatPythonRefuses) {
  for (const std::string pattern :
       {"(", "[", "*", "a\\", "\\p{L}", "\\Qa\\E", "a\\K", "(?R)", "(?1)", "(*UTF8)a", "(?C)a", "(?<n>a)"}) {
    EXPECT_EQ(error_message([&] {
                Regex::python_fullmatch(pattern, "modify_layers");
              }).find("modify_layers: '" + pattern + "' is not a regular expression: "),
              0u)
        << pattern;
  }
}

TEST(PythonFullmatch, TextThatIsNotUtf8MatchesNothing) { EXPECT_FALSE(fullmatch(".*", "a\xff")); }

TEST(PythonFullmatch, GivesUpInsteadOfRunningForEver) {
  EXPECT_EQ(error_message([] {
              fullmatch("(a*)*(a*)*[bc]", std::string(200, 'a'));
            }).find("the regular expression '(a*)*(a*)*[bc]' gives up on a text of 200 bytes"),
            0u);
}

}  // namespace
}  // namespace quiver::test
