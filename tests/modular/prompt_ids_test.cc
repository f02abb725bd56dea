#include "modular/prompt_ids.h"

#include "expert/begin_of_text_record.h"
#include "modular/recorded_beginning.h"
#include "support/golden.h"
#include "text/text_beginning.h"

namespace quiver {
namespace {

using Ids = std::vector<std::int32_t>;

TEST(Fit, CutsThePromptOnTheSideAsked) {
  const TextIds text{{1, 2, 3, 4, 5, 6}, 4};
  EXPECT_EQ(fit(text, 6, Truncation::kError).ids, text.ids);
  EXPECT_EQ(fit(text, 4, Truncation::kLeft).ids, (Ids{3, 4, 5, 6}));
  EXPECT_EQ(fit(text, 4, Truncation::kRight).ids, (Ids{1, 2, 5, 6}));
  EXPECT_EQ(fit(text, 4, Truncation::kRight).begin, 2u);
  EXPECT_EQ(fit(text, 4, Truncation::kRight).dropped, 2);
  EXPECT_EQ(test::error_message([&] { fit(text, 4, Truncation::kError); }),
            "a text of 6 tokens is longer than the 4 that fit | --truncate left or right cuts its prompt");
  EXPECT_EQ(test::error_message([&] { fit(text, 2, Truncation::kLeft); }),
            "a completion of 2 tokens does not fit in a text of 2 tokens");
}

TEST(Fit, IsCountedInOneWarning) {
  std::vector<Score> scores(3);
  scores[1].dropped_tokens = 7;
  testing::internal::CaptureStderr();
  warn_of_cut_texts(scores, Truncation::kLeft);
  EXPECT_NE(testing::internal::GetCapturedStderr().find(
                "1 of 3 texts are too long for the model, and their prompts lose the beginning"),
            std::string::npos);
}

// tiny_llama: <|endoftext|> (0) is begin-of-text and end-of-text, and its tokenizer puts it before no text.
TEST(PromptIds, PutsBeginOfTextWhereItIsAskedFor) {
  const RoutedModel model(test::golden_base("tiny_llama"));
  const Ids plain = model.base().tokenizer().encode("The archer").ids;
  Ids begun = plain;
  begun.insert(begun.begin(), 0);
  EXPECT_EQ(model.prompt_ids("The archer "), plain);
  EXPECT_EQ(model.with_begin_of_text(BeginOfText::kAlways).prompt_ids("The archer"), begun);
  EXPECT_EQ(model.prompt_ids(""), (Ids{0}));
  EXPECT_EQ(model.with_begin_of_text(BeginOfText::kAlways).prompt_ids(""), (Ids{0}));
}

ExpertInfo expert(const std::string& name, const Json& training) {
  ExpertInfo info;
  info.name = name;
  info.training = training;
  return info;
}

TEST(RecordedBeginning, IsWhatTheTrainingSays) {
  EXPECT_EQ(recorded_begin_of_text(expert("a", {{"seed", 1}, {"bos", "always"}})), BeginOfText::kAlways);
  EXPECT_EQ(recorded_begin_of_text(expert("a", {{"seed", 1}, {"bos", "never"}})), BeginOfText::kNever);
  EXPECT_EQ(recorded_begin_of_text(expert("a", {{"seed", 1}})), BeginOfText::kNever);  // by 0.1.0
  EXPECT_EQ(recorded_begin_of_text(expert("a", Json::object())), BeginOfText::kAuto);  // from elsewhere
}

TEST(RecordedBeginning, DecidesForAModel) {
  const ExpertInfo with = expert("with", {{"bos", "always"}}), without = expert("without", {{"seed", 1}});
  const ExpertInfo unknown = expert("unknown", Json::object());
  const auto resolve = [](const RouterOptions& router, const std::vector<ExpertInfo>& experts) {
    return resolve_begin_of_text(router, experts);
  };
  EXPECT_EQ(resolve({}, {}), BeginOfText::kAuto);
  EXPECT_EQ(resolve({}, {unknown}), BeginOfText::kAuto);
  EXPECT_EQ(resolve({}, {unknown, with}), BeginOfText::kAlways);
  EXPECT_EQ(resolve({}, {without, unknown}), BeginOfText::kNever);
  EXPECT_EQ(resolve({.router = "expert", .expert = "with"}, {without, with}), BeginOfText::kAlways);
  EXPECT_EQ(resolve({.compat = Compat::kMttl}, {with}), BeginOfText::kNever);
  EXPECT_EQ(test::error_message([&] {
              resolve({}, {with, without});
            }),
            "expert 'with' was trained with begin-of-text, 'without' without begin-of-text | --bos always or "
            "never runs both alike; or train one again");
  testing::internal::CaptureStderr();
  EXPECT_EQ(resolve({.bos = BeginOfText::kNever}, {with, without}), BeginOfText::kNever);
  EXPECT_NE(testing::internal::GetCapturedStderr().find(
                "expert 'with' was trained with begin-of-text, and runs without begin-of-text"),
            std::string::npos);
}

TEST(RecordedBeginning, IsKeptInAComposedModel) {
  const test::ScratchDirectory scratch;
  const RoutedModel model(test::golden_base("tiny_llama"), BeginOfText::kAlways);
  model.save(scratch / "model");
  const RoutedModel loaded = RoutedModel::load(scratch / "model", test::golden_base("tiny_llama"));
  EXPECT_EQ(loaded.router().bos, BeginOfText::kAlways);
  EXPECT_EQ(loaded.prompt_ids("The archer"), model.prompt_ids("The archer"));
}

}  // namespace
}  // namespace quiver
