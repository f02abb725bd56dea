#include "core/files.h"
#include "quiver/evaluation.h"
#include "quiver/scoring.h"
#include "support/golden.h"

// What stands before a text, against transformers and lm-evaluation-harness (make_begin_of_text.py).
namespace quiver {
namespace {

constexpr double kTolerance = 1e-4;  // relative; both sides are float32

class BeginOfTextGolden : public testing::Test {
 protected:
  std::shared_ptr<const BaseModel> load(const std::string& name) {
    const std::filesystem::path folder = scratch_ / name;
    std::filesystem::copy(test::golden_path("tiny_llama"), folder);
    Json tokenizer = parse_json(golden_.at("tokenizer").get<std::string>(), "golden");
    tokenizer["post_processor"] = golden_.at("cases").at(name).at("post_processor");
    write_file_atomic(folder / "tokenizer.json", tokenizer.dump());
    write_file_atomic(folder / "tokenizer_config.json", golden_.at("tokenizer_config").get<std::string>());
    return BaseModel::load(folder);
  }

  void expect_values(const RoutedModel& model, const Json& wanted) const {
    for (const Json& row : wanted.at("scores")) {
      const ScoreRequest request{
          .model = model, .prompt = row.at("prompt"), .completion = row.at("completion")};
      const Score scored = score({&request, 1}).front();
      const double logprob = row.at("logprob");
      EXPECT_NEAR(scored.logprob, logprob, kTolerance * std::abs(logprob)) << request.prompt;
      EXPECT_EQ(scored.tokens, row.at("tokens").get<std::int64_t>()) << request.prompt;
    }
    std::vector<ChoiceQuestion> questions;
    for (const Json& row : wanted.at("choices")) {
      const auto choices = row.at("continuations").get<std::vector<std::string>>();
      ChoiceQuestion& question = questions.emplace_back();
      question.prompts.assign(choices.size(), row.at("prompt").get<std::string>());
      question.continuations = question.choices = choices;
    }
    const auto evaluated = evaluate_choices({&model, 1}, questions, {"acc"}).front().logprobs;
    for (std::size_t q = 0; q < questions.size(); ++q) {
      for (std::size_t i = 0; i < evaluated[q].size(); ++i) {
        const double logprob = wanted.at("choices").at(q).at("logprobs").at(i);
        EXPECT_NEAR(evaluated[q][i], logprob, kTolerance * std::abs(logprob)) << questions[q].prompts[i];
      }
    }
    for (const Json& row : wanted.at("texts")) {
      const GenerationRequest request{.model = model, .prompt = row.at("prompt")};
      const auto generation =
          generate({&request, 1}, {.max_new_tokens = golden_.at("new_tokens").get<std::int64_t>()}).front();
      // As JSON, since ours may hold bytes for which Python writes U+FFFD.
      EXPECT_EQ(dump_json(generation.text), dump_json(row.at("text"))) << request.prompt;
    }
  }

  test::ScratchDirectory scratch_;
  Json golden_ = test::golden_json("begin_of_text.json");
};

TEST_F(BeginOfTextGolden, FollowsThePostProcessor) {
  for (const auto& [name, wanted] : golden_.at("cases").items()) {
    SCOPED_TRACE(name);
    const RoutedModel model(load(name));
    EXPECT_EQ(model.prompt_ids("The archer"), test::ids_of(wanted.at("ids")));
    expect_values(model, wanted);
  }
}

TEST_F(BeginOfTextGolden, FollowsAddBosTokenOfAGgufFile) {
  const RoutedModel model(BaseModel::load(test::golden_path("begin_of_text.gguf")));
  EXPECT_EQ(model.prompt_ids("The archer"), test::ids_of(golden_.at("cases").at("template").at("ids")));
  expect_values(model, golden_.at("cases").at("template"));
}

// `always` makes of a tokenizer that adds nothing what the template does, `never` the other way round.
TEST_F(BeginOfTextGolden, OneSettingDecides) {
  const RoutedModel with(load("template")), without(load("none"));
  expect_values(with.with_begin_of_text(BeginOfText::kNever), golden_.at("cases").at("none"));
  expect_values(without.with_begin_of_text(BeginOfText::kAlways), golden_.at("cases").at("template"));
}

}  // namespace
}  // namespace quiver
