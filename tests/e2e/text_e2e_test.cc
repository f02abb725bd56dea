// `quiver generate`, `score` and `tokenize`: what the library computes, in the order of the input.

#include <ATen/Parallel.h>
#include <ATen/ops/log_softmax.h>

#include <algorithm>
#include <cmath>

#include "e2e/program_test.h"
#include "quiver/generation.h"
#include "quiver/scoring.h"
#include "support/damaged_model.h"
#include "support/golden.h"
#include "support/special_token.h"

namespace quiver {
namespace {

class Text : public test::ProgramTest {
 protected:
  Text() { at::set_num_threads(1); }  // as the program is run

  static std::string continuation(const std::string& prompt) {
    const RoutedModel model(test::golden_base("tiny_llama"));
    const std::vector<GenerationRequest> requests = {{model, prompt}};
    return generate(requests, {.max_new_tokens = 6})[0].text;
  }
};

TEST_F(Text, GenerateContinuesAPrompt) {
  const std::string options = "generate " + base() + " --max-new-tokens 6 --prompt ";
  EXPECT_EQ(run_ok(options + "'colour of the sea:'"), continuation("colour of the sea:") + "\n");
  run_ok(options + "'colour of the sea:' --out " + arg("text"));
  EXPECT_EQ(test::content(path("text")), continuation("colour of the sea:") + "\n");
}

TEST_F(Text, GenerateKeepsTheOrderAndTheKeysOfItsInput) {
  std::string input;
  for (int i = 0; i < 12; ++i) {
    const std::string prompt = std::string(static_cast<std::size_t>(1 + i * 7 % 12), 'a') + " line\nbreak";
    input += dump_json({{"prompt", prompt}, {"id", i}}) + "\n";
  }
  write_file_atomic(path("prompts.jsonl"), input);
  const std::vector<Json> objects = test::json_lines_of(
      run_ok("generate " + base() + " --max-new-tokens 6 --batch-size 5 --input " + arg("prompts.jsonl")));
  ASSERT_EQ(objects.size(), 12u);
  for (int i = 0; i < 12; ++i) {
    const Json& object = objects[static_cast<std::size_t>(i)];
    EXPECT_EQ(object.at("id"), i);
    // Broken UTF-8 in a text becomes U+FFFD in JSON.
    EXPECT_EQ(object.at("completion"),
              Json::parse(dump_json(continuation(object.at("prompt").get<std::string>()))));
  }
}

TEST_F(Text, SamplingFollowsTheSeed) {
  const std::string options = "generate " + base() +
                              " --max-new-tokens 12 --temperature-sampling 1.5 --top-p 0.95 --prompt "
                              "'colour of the sea:' --seed ";
  const std::string first = run_ok(options + "1");
  EXPECT_EQ(run_ok(options + "1"), first);
  EXPECT_NE(run_ok(options + "2"), first);
}

TEST_F(Text, GenerateAndScoreInEightBits) {
  const std::string text =
      run_ok("--precision q8 generate " + base() + " --max-new-tokens 6 --prompt 'colour of the sea:'");
  EXPECT_EQ(text.substr(0, 3), continuation("colour of the sea:").substr(0, 3));
  write_file_atomic(path("score.jsonl"),
                    dump_json({{"prompt", "colour of the sea:"}, {"completion", " blue"}}) + "\n");
  const auto score = [&](const std::string& options) {
    const std::string output = run_ok(options + "score " + base() + " --input " + arg("score.jsonl"));
    return test::json_lines_of(output).front().at("logprob").get<double>();
  };
  const double whole = score(""), rounded = score("--precision q8 ");
  EXPECT_NE(rounded, whole);
  EXPECT_NEAR(rounded, whole, 0.05 * std::abs(whole));
}

TEST_F(Text, GenerateStopsAtAText) {
  const std::string whole = continuation("colour of the sea:");
  ASSERT_GT(whole.size(), 2u);
  const std::string stop = whole.substr(2, 1);
  EXPECT_EQ(run_ok("generate " + base() + " --max-new-tokens 6 --prompt 'colour of the sea:' --stop " +
                   test::quote(stop)),
            whole.substr(0, whole.find(stop)) + "\n");
}

TEST_F(Text, ScoreIsTheSumOfLogProbabilities) {
  const std::string prompt = "colour of the sea:", completion = " blue", text = prompt + completion;
  const BaseModel& model = *test::golden_base("tiny_llama");
  const Encoding encoding = model.tokenizer().encode(text);
  RaggedBatch batch;
  batch.add(encoding.ids);
  const at::Tensor logprobs = at::log_softmax(model.logits(model.forward(batch)), -1);
  double expected = 0;
  std::int64_t tokens = 0;
  bool greedy = true;
  for (std::size_t i = 1; i < encoding.ids.size(); ++i) {
    if (encoding.spans[i].end <= prompt.size()) continue;
    const at::Tensor row = logprobs[static_cast<std::int64_t>(i) - 1];
    expected += row[encoding.ids[i]].item<double>();
    greedy = greedy && row.argmax().item<std::int64_t>() == encoding.ids[i];
    ++tokens;
  }
  write_file_atomic(path("texts.jsonl"),
                    dump_json({{"prompt", prompt}, {"completion", completion}, {"id", "x"}}) + "\n\n" +
                        dump_json({{"prompt", prompt}, {"completion", " seven"}, {"id", "y"}}) + "\n");
  const std::vector<Json> scored =
      test::json_lines_of(run_ok("score " + base() + " --input " + arg("texts.jsonl")));
  ASSERT_EQ(scored.size(), 2u);
  EXPECT_EQ(scored[0].at("id"), "x");
  EXPECT_EQ(scored[1].at("id"), "y");
  EXPECT_NEAR(scored[0].at("logprob").get<double>(), expected, 1e-4);  // float32 logits, summed
  EXPECT_EQ(scored[0].at("tokens"), tokens);
  EXPECT_EQ(scored[0].at("greedy"), greedy);
}

TEST_F(Text, TokenizeGivesTheGoldenIdsAndBack) {
  const Json golden = test::golden_json("tiny_models.json").at("tokenizer");
  write_file_atomic(path("texts.jsonl"), dump_json({{"text", golden.at("text")}}) + "\n" +
                                             dump_json({{"text", "two\nlines"}}) + "\n");
  const std::vector<std::string> encoded =
      test::lines_of(run_ok("tokenize " + base() + " --input " + arg("texts.jsonl")));
  ASSERT_EQ(encoded.size(), 2u);
  EXPECT_EQ(Json::parse(encoded[0]), golden.at("ids"));
  write_file_atomic(path("ids"), encoded[0] + "\n" + encoded[1] + "\n");
  EXPECT_EQ(run_ok("tokenize " + base() + " --decode", "cat " + arg("ids") + " | "),
            golden.at("text").get<std::string>() + "\ntwo\nlines\n");

  const std::string lines = "colour of the sea\n\nünïcödé 日本 \n";
  write_file_atomic(path("lines"), lines);
  write_file_atomic(path("ids"), run_ok("tokenize " + base() + " <" + arg("lines")));
  EXPECT_EQ(test::lines_of(test::content(path("ids")))[1], "[]");
  EXPECT_EQ(run_ok("tokenize " + base() + " --decode <" + arg("ids")), lines);
}

TEST_F(Text, ARowThatFailsSaysSoAndTheOthersAreWritten) {
  write_file_atomic(path("rows.jsonl"), R"({"prompt": "colour of the sea:", "completion": " blue"})"
                                        "\n"
                                        R"({"prompt": 5, "completion": " blue"})"
                                        "\n"
                                        R"({"prompt": "colour of the sea:", "completion": ""})"
                                        "\n");
  const test::ProgramResult scored = run("score " + base() + " --input " + arg("rows.jsonl"));
  EXPECT_EQ(scored.status, 1);
  const std::vector<Json> scores = test::json_lines_of(scored.out);
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_LT(scores[0].at("logprob"), 0);
  EXPECT_FALSE(scores[0].contains("error"));
  EXPECT_EQ(scores[1].at("error"), path("rows.jsonl").string() + ", object 2: 'prompt' is not a text");
  EXPECT_EQ(scores[2].at("error"), "a completion is empty, there is nothing to score");
  EXPECT_FALSE(scores[2].contains("logprob"));
  EXPECT_EQ(scored.err.substr(scored.err.find("quiver: error: ")),
            "quiver: error: " + path("rows.jsonl").string() +
                ": 2 of 3 rows failed, first row 2: " + path("rows.jsonl").string() +
                ", object 2: 'prompt' is not a text (the others were written, these with their 'error')\n");

  const test::ProgramResult written =
      run("generate " + base() + " --max-new-tokens 6 --input " + arg("rows.jsonl"));
  EXPECT_EQ(written.status, 1);
  const std::vector<Json> texts = test::json_lines_of(written.out);
  ASSERT_EQ(texts.size(), 3u);
  for (const std::size_t row : {0, 2})
    EXPECT_EQ(texts[row].at("completion"), Json::parse(dump_json(continuation("colour of the sea:"))));
  EXPECT_TRUE(texts[1].contains("error"));
}

TEST_F(Text, NumbersThatAreNotFiniteAreAnError) {
  test::write_changed_model(path("model"), test::overflow_keys);
  write_file_atomic(path("rows.jsonl"), R"({"prompt": "a", "completion": " b"})");
  const std::string where =
      "gives numbers that are not finite (NaN or infinity), first in the output of "
      "'model.layers.0.self_attn.k_proj'";
  const test::ProgramResult scored = run("score " + arg("model") + " --input " + arg("rows.jsonl"));
  EXPECT_EQ(scored.status, 1);
  EXPECT_NE(scored.err.find(where), std::string::npos) << scored.err;
  EXPECT_EQ(scored.out.find("null"), std::string::npos) << scored.out;
  const test::ProgramResult text = run("generate " + arg("model") + " --prompt a --max-new-tokens 4");
  EXPECT_EQ(text.status, 1);
  EXPECT_EQ(text.out, "");
  EXPECT_NE(text.err.find(where), std::string::npos) << text.err;
  write_file_atomic(path("task.json"), dump_json({{"name", "first"},
                                                  {"split", "test"},
                                                  {"prompt", "{q}"},
                                                  {"choices", Json::array({"{yes}", "{no}"})},
                                                  {"gold", "gold"},
                                                  {"metrics", Json::array({"acc", "acc_norm"})},
                                                  {"main_metric", "acc"}}));
  write_file_atomic(path("data.jsonl"), R"({"q": "The sky", "yes": "a", "no": "b", "gold": 0})");
  const test::ProgramResult evaluated =
      run("eval " + arg("task.json") + " " + arg("model") + " --data " + arg("data.jsonl"));
  EXPECT_EQ(evaluated.status, 1);
  EXPECT_NE(evaluated.err.find("question 0, of task 'first', choice 1: "), std::string::npos)
      << evaluated.err;
  EXPECT_NE(evaluated.err.find(where), std::string::npos) << evaluated.err;
  const test::ProgramResult rouge =
      run("eval rouge " + arg("model") + " --data " + arg("tasks.jsonl") + " --max-new-tokens 4");
  EXPECT_EQ(rouge.status, 1);
  EXPECT_NE(rouge.err.find("example 1, of task '"), std::string::npos) << rouge.err;
}

TEST_F(Text, ATaskStopsAtASpecialToken) {
  const RoutedModel plain(test::golden_base("tiny_llama"));
  const GenerationRequest request{plain, "x"};
  const std::vector<std::int32_t> ids =
      generate({&request, 1}, {.max_new_tokens = 10, .ignore_stop_tokens = true}).front().ids;
  const auto model = test::with_special_token(path("model"), ids[3], "<|turn|>");
  const auto end = std::find(ids.begin(), ids.end(), ids[3]);
  const std::string answer = model->tokenizer().decode(std::vector<std::int32_t>(ids.begin(), end));
  write_file_atomic(path("task.json"), dump_json({{"name", "stops"},
                                                  {"split", "test"},
                                                  {"prompt", "{q}"},
                                                  {"target", "{a}"},
                                                  {"stop", Json::array({"<|turn|>"})},
                                                  {"max_new_tokens", 10},
                                                  {"extraction", "whole"},
                                                  {"metrics", Json::array({"exact_match"})},
                                                  {"main_metric", "exact_match"}}));
  write_file_atomic(path("data.jsonl"), dump_json({{"q", "x"}, {"a", answer}}));
  run_ok("eval " + arg("task.json") + " " + arg("model") + " --data " + arg("data.jsonl") +
         " --out-samples " + arg("samples.jsonl"));
  EXPECT_EQ(test::json_lines_of(test::content(path("samples.jsonl")))[0].at("text"),
            Json::parse(dump_json(answer)));
}

TEST_F(Text, BrokenInputNamesFileAndLine) {
  const auto error = [&](const std::string& command, const std::string& text) {
    write_file_atomic(path("input.jsonl"), text);
    const test::ProgramResult result = run(command + " " + base() + " --input " + arg("input.jsonl"));
    EXPECT_EQ(result.status, 1);
    return result.err;
  };
  EXPECT_NE(error("generate", "{\"prompt\": \"a\"}\n{\"prompt\": \n").find("input.jsonl, line 2"),
            std::string::npos);
  EXPECT_NE(error("generate", "{\"prompt\": 5}\n").find("object 1: 'prompt' is not a text"),
            std::string::npos);
  EXPECT_NE(error("score", "{\"prompt\": \"a\"}\n").find("object 1: 'completion' is missing"),
            std::string::npos);
  write_file_atomic(path("ids"), "[1, 2]\n{\"a\": 1}\n");
  const test::ProgramResult result = run("tokenize " + base() + " --decode <" + arg("ids"));
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find("not a JSON array of token ids: {\"a\": 1}"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace quiver
