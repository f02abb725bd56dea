// `quiver prototypes`, `compose` and `route`.

#include "e2e/program_test.h"

namespace quiver {
namespace {

class Routing : public test::ProgramTest {
 protected:
  std::string routed(const std::string& router) const {
    return base() + " --library " + arg("library") + " --router " + router;
  }

  // The line that begins like this; the last line of progress may come after it.
  static std::string line_with(const std::string& beginning, const std::string& err) {
    for (const std::string& line : test::lines_of(err))
      if (line.rfind(beginning, 0) == 0) return line;
    return err;
  }
};

TEST_F(Routing, ArrowPrototypesAreComputedOnce) {
  train("colour,taste");
  const test::ProgramResult missing = run("route " + routed("arrow") + " --prompt a");
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.err.find("quiver prototypes arrow"), std::string::npos) << missing.err;

  const auto computed = [&](const std::string& options) {
    const test::ProgramResult result = run("prototypes arrow " + arg("library") + options);
    EXPECT_EQ(result.status, 0);
    return line_with("quiver: computed", result.err);
  };
  EXPECT_EQ(computed(""), "quiver: computed arrow prototypes of 2 experts");
  EXPECT_EQ(computed(""), "quiver: computed arrow prototypes of 0 experts");
  EXPECT_EQ(computed(" --recompute"), "quiver: computed arrow prototypes of 2 experts");
  run_ok("route " + routed("arrow") + " --prompt a");
}

TEST_F(Routing, PhatgooseGatesAreTrainedOnceForOneSetting) {
  train("colour,taste");
  const auto trained = [&](const std::string& options) {
    const test::ProgramResult result =
        run("prototypes phatgoose " + arg("library") + " -c " + arg("config.json") + options);
    EXPECT_EQ(result.status, 0) << result.err;
    return line_with("quiver: trained", result.err);
  };
  EXPECT_EQ(trained(" --n-steps 3"), "quiver: trained phatgoose gates of 2 experts");
  EXPECT_EQ(trained(" --n-steps 3"), "quiver: trained phatgoose gates of 0 experts");
  EXPECT_EQ(trained(" --n-steps 4 --learning-rate 2e-3"), "quiver: trained phatgoose gates of 2 experts");
  run_ok("route " + routed("phatgoose") + " --prompt a");
}

// Weights of a token sum to 1 over the chosen experts, in every slot that has an expert.
TEST_F(Routing, RouteTellsTheExpertsOfEveryToken) {
  train();
  run_ok("prototypes arrow " + arg("library"));
  const std::string prompt = " --prompt 'colour of the sea:' ";
  const Json route = Json::parse(run_ok("route " + routed("arrow") + " --top-k 2" + prompt));
  EXPECT_EQ(route.at("router"), "arrow");
  EXPECT_EQ(route.at("experts"), Json::array({"colour", "number", "taste"}));
  std::string text;
  for (const Json& token : route.at("tokens")) text += token.at("text").get<std::string>();
  EXPECT_EQ(text, "colour of the sea:");
  ASSERT_EQ(route.at("slots").size(), 6u);  // q, k and v of two layers
  for (const auto& [slot, tokens] : route.at("slots").items()) {
    ASSERT_EQ(tokens.size(), route.at("tokens").size()) << slot;
    for (const Json& choices : tokens) {
      ASSERT_EQ(choices.size(), 2u);
      const double first = choices[0].at("weight"), second = choices[1].at("weight");
      EXPECT_GE(first, second);
      EXPECT_NEAR(first + second, 1, 1e-5);
    }
  }

  run_ok("route " + routed("expert:taste") + prompt + "--out " + arg("route.json"));
  const Json single = Json::parse(test::content(path("route.json")));
  EXPECT_EQ(single.at("slots").begin().value().at(0).at(0).at("weight"), 1.0);
  const Json oracle = Json::parse(run_ok("route " + routed("oracle") + prompt + "--task-name taste"));
  EXPECT_EQ(oracle.at("slots").begin().value().at(0).at(0).at("expert"), "taste");
}

TEST_F(Routing, AComposedFolderGeneratesTheSame) {
  train();
  run_ok("prototypes arrow " + arg("library"));
  write_file_atomic(path("prompts.jsonl"),
                    "{\"prompt\": \"colour of the sea:\"}\n{\"prompt\": \"taste of the hen:\"}\n");
  const std::string rest = " --max-new-tokens 8 --input " + arg("prompts.jsonl");
  const std::string router = " --library " + arg("library") + " --router arrow --top-k 2 --temperature 0.5";
  run_ok("compose --base " + base() + router + " --out " + arg("composed"));
  const std::string expected = run_ok("generate " + base() + router + rest);
  EXPECT_NE(expected, run_ok("generate " + base() + rest));
  EXPECT_EQ(run_ok("generate " + arg("composed") + rest), expected);
  // It needs the base, but no longer the library.
  std::filesystem::remove_all(path("library"));
  EXPECT_EQ(run_ok("generate " + arg("composed") + rest), expected);

  const test::ProgramResult twice = run("generate " + arg("composed") + " --router arrow" + rest);
  EXPECT_EQ(twice.status, 1);
  EXPECT_NE(twice.err.find("has its router already"), std::string::npos) << twice.err;
}

// The decision of a router that looks at the prompt is told, kept by a composed folder, and used by generate.
TEST_F(Routing, ThePromptChoosesAndComposedFoldersChooseTheSame) {
  train();
  const std::string options = routed("prompt") + " --quantile 1 --layer 0",
                    prompt = " --prompt 'colour of the sea:' ";
  const Json route = Json::parse(run_ok("route " + options + prompt));
  ASSERT_FALSE(route.at("decision").empty()) << route;
  double sum = 0;
  for (const Json& choice : route.at("decision")) sum += choice.at("weight").get<double>();
  EXPECT_NEAR(sum, 1, 1e-9);
  EXPECT_EQ(route.at("slots").begin()->at(0).at(0).at("expert"), route.at("decision").at(0).at("expert"));
  run_ok("compose --base " + options + " --out " + arg("composed"));
  EXPECT_EQ(Json::parse(run_ok("route " + arg("composed") + prompt)), route);
  const std::string generate = prompt + " --max-new-tokens 4";
  EXPECT_EQ(run_ok("generate " + arg("composed") + generate), run_ok("generate " + options + generate));
  const test::ProgramResult twice = run("route " + arg("composed") + " --layer 0" + prompt);
  EXPECT_EQ(twice.status, 1);
  EXPECT_NE(twice.err.find("has its router already"), std::string::npos) << twice.err;
}

TEST_F(Routing, SettingsGoWithTheirRouters) {
  train("colour,taste");
  const auto error = [&](const std::string& arguments) {
    const test::ProgramResult result = run("route " + arguments + " --prompt a");
    EXPECT_EQ(result.status, 2) << result.err;
    return result.err;
  };
  EXPECT_NE(error(routed("uniform") + " --rule ridge").find("--rule goes with --router prompt"),
            std::string::npos);
  EXPECT_NE(error(routed("prompt") + " --rule rigde").find("must be one of ridge, lda, centroid"),
            std::string::npos);
  EXPECT_NE(error(routed("prompt") + " --quantile 2").find("must be a number between"), std::string::npos);
  EXPECT_NE(run("route --help").out.find("--prior-weight"), std::string::npos);
  for (const char* router : {"spectral", "logo --block 1", "average_activation", "spectral --prior prompt"})
    run_ok("route " + routed(router) + " --prompt a");
}

TEST_F(Routing, AnExpertOfAnotherBaseIsRefused) {
  train("colour");
  const test::ProgramResult result =
      run("generate " + test::quote(test::golden_path("tiny_llama_untied")) + " --library " + arg("library") +
          " --router expert:colour --prompt a");
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err.rfind("quiver: error: expert 'colour' ", 0), 0u) << result.err;
  EXPECT_NE(result.err.find("tiny_llama_untied"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace quiver
