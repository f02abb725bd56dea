#include "data/task_template.h"

#include "data/task_preprocessor.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

const Json kRow = {
    {"question", "Why?"}, {"choices", {{"text", {"a", "b"}}}}, {"label", 3}, {"none", nullptr}};

std::string fill(const std::string& pattern) { return fill_template(pattern, kRow, "row 1"); }

TEST(TaskTemplate, FillsInFields) {
  EXPECT_EQ(fill("Q: {question}\nA. {choices.text.0}\nB. {choices.text.1} {label}"), "Q: Why?\nA. a\nB. b 3");
  EXPECT_EQ(fill("{{x}} {question}"), "{x} Why?");
  EXPECT_EQ(texts_at(kRow, "choices.text", "row 1"), (std::vector<std::string>{"a", "b"}));
}

// A field's own braces are no template.
TEST(TaskTemplate, LeavesFieldsAsTheyAre) {
  EXPECT_EQ(fill_template("{a}", {{"a", "{b} {{"}, {"b", "x"}}, "row 1"), "{b} {{");
}

TEST(TaskTemplate, NamesWhatIsMissingOrWrong) {
  EXPECT_EQ(error_message([&] { fill("{answer}"); }),
            "row 1: field 'answer' is missing; present: choices, label, none, question");
  EXPECT_EQ(error_message([&] { fill("{choices.text.2}"); }),
            "row 1: field 'choices.text.2' is missing; present: a list of 2");
  EXPECT_EQ(error_message([&] { fill("{choices.text.-1}"); }),
            "row 1: field 'choices.text.-1' is missing; present: a list of 2");
  EXPECT_EQ(error_message([&] { fill("{none}"); }), "row 1: 'none' must be a text, is null");
  EXPECT_EQ(error_message([&] { fill("{choices}"); }),
            R"(row 1: 'choices' must be a text, is {"text":["a","b"]})");
  EXPECT_EQ(error_message([&] { texts_at(kRow, "label", "row 1"); }), "row 1: 'label' must be a list, is 3");
  for (const char* pattern : {"{question", "a}", "{a{b}}", "{"}) {
    EXPECT_EQ(error_message([&] { fill(pattern); }), std::string("row 1: a brace out of place in '") +
                                                         pattern +
                                                         "' | {field} is replaced, {{ and }} are braces");
  }
}

TEST(Preprocessor, CleansHellaswag) {
  Json row = {{"activity_label", ""},
              {"ctx_a", "[header] Fix it [title] Clean.  [step] Wipe"},
              {"ctx_b", "then MIX"},
              {"endings", {" a [substeps] b", "c [open", "x [p\nq] y", "[a] [b][c]"}}};
  find_preprocessor("clean_hellaswag", "task.json").function(row, "row 1");
  EXPECT_EQ(row.at("query"), ": Fix it. Clean.  Wipe Then mix");
  EXPECT_EQ(row.at("endings"), Json({"a b", "c [open", "x [p\nq] y", " "}));
}

TEST(Preprocessor, SplitsAtTheFirstGap) {
  Json row = {{"sentence", "The _ ate _ up. "}, {"option1", "cat"}, {"option2", "dog "}};
  find_preprocessor("split_at_gap", "task.json").function(row, "row 1");
  EXPECT_EQ(row.at("beginnings"), Json({"The cat", "The dog "}));
  EXPECT_EQ(row.at("rest"), "ate _ up.");
  row["sentence"] = "no gap";
  EXPECT_EQ(error_message([&] { find_preprocessor("split_at_gap", "task.json").function(row, "row 1"); }),
            "row 1: 'sentence' has no gap '_'");
}

TEST(Preprocessor, BringsArcsOwnLinesIntoTheHubsForm) {
  const Json expected = {{"question", "Why?"}, {"choices", {{"text", {"x", "y"}}, {"label", {"A", "B"}}}}};
  Json row = {
      {"question",
       {{"stem", "Why?"}, {"choices", {{{"text", "x"}, {"label", "A"}}, {{"text", "y"}, {"label", "B"}}}}}}};
  find_preprocessor("flatten_arc", "task.json").function(row, "row 1");
  EXPECT_EQ(row, expected);
  find_preprocessor("flatten_arc", "task.json").function(row, "row 1");
  EXPECT_EQ(row, expected);
  Json broken = {{"question", {{"stem", "s"}, {"choices", {1, 2}}}}};
  EXPECT_EQ(error_message([&] { find_preprocessor("flatten_arc", "task.json").function(broken, "row 1"); }),
            "row 1: field 'text' is missing; present: 1");
}

TEST(Preprocessor, NamesTheOnesThereAre) {
  EXPECT_EQ(
      error_message([] { find_preprocessor("jinja", "task.json"); }),
      "task.json: unknown preprocessor 'jinja' | it is one of flatten_arc, clean_hellaswag, split_at_gap, "
      "strip_question");
}

}  // namespace
}  // namespace quiver
