// Help, versions, exit statuses and error lines.

#include "e2e/program_test.h"
#include "quiver/version.h"

namespace quiver {
namespace {

class Failure : public test::ProgramTest {
 protected:
  // The one line that a failing command writes to stderr; it must be the last.
  std::string error(int status, const std::string& arguments, const std::string& setup = {}) const {
    const test::ProgramResult result = run(arguments, setup);
    EXPECT_EQ(result.status, status) << arguments << "\n" << result.err;
    const std::vector<std::string> lines = test::lines_of(result.err);
    if (lines.empty()) return "";
    EXPECT_EQ(lines.back().rfind("quiver: error: ", 0), 0u) << result.err;
    return lines.back();
  }
};

TEST_F(Failure, VersionAndHelpGoToStdout) {
  const test::ProgramResult version = run("--version");
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out.rfind(std::string("quiver ") + kVersion + "\n", 0), 0u) << version.out;
  EXPECT_NE(version.out.find("LibTorch "), std::string::npos);
  EXPECT_NE(version.out.find("cpu"), std::string::npos);
  EXPECT_EQ(version.err, "");
  const std::string help = run_ok("--help");
  for (const char* command : {"fetch", "train", "library", "cluster", "prototypes", "compose", "generate",
                              "score", "tokenize", "route", "eval", "plot", "report", "tutorial"}) {
    EXPECT_NE(help.find(command), std::string::npos) << command;
    EXPECT_NE(run_ok(std::string(command) + " --help").find("--help"), std::string::npos) << command;
  }
}

TEST_F(Failure, AServerThatCannotLoadEnds) {
  EXPECT_EQ(
      error(1, "serve nowhere --port 0"),
      "quiver: error: no base model at 'nowhere' (give a Hugging Face directory, a .gguf file, or a name "
      "that `quiver fetch` knows)");
  run_ok("compose --base " + base() + " --out " + arg("composed"));
  EXPECT_EQ(
      error(1, "serve " + arg("composed") + " --library " + arg("library") + " --router arrow --port 0"),
      "quiver: error: '" + path("composed").string() +
          "' is a composed model and has its router already (leave out --library, --router and the router's "
          "options)");
  EXPECT_EQ(error(2, "serve " + arg("composed") + " --pin-expert a --port 0"),
            "quiver: error: --pin-expert goes with --library: all experts of a composed model stay (quiver "
            "--help)");
  EXPECT_EQ(error(1, "serve " + base() + " --chat-template nowhere.jinja --port 0"),
            "quiver: error: no such file: 'nowhere.jinja'");
}

TEST_F(Failure, AnUnknownPrecision) {
  EXPECT_EQ(error(2, "--precision int3 generate " + base() + " --prompt x"),
            "quiver: error: --precision: 'int3' is not taken: unknown precision 'int3'; use float32, "
            "bfloat16 or q8; "
            "a GGUF file's 4-bit weights stay as they are in float32 (quiver --help)");
}

// What is wrong with a value is said before any file is opened.
TEST_F(Failure, ValuesThatNoFileCouldMakeRightAreWrongUsage) {
  const auto refused = [&](const std::string& arguments, const std::string& option, const std::string& value,
                           const std::string& reason) {
    const std::string line = error(2, arguments + " " + option + " " + value);
    EXPECT_NE(line.find(option + ": '" + value + "' " + reason), std::string::npos) << line;
  };
  for (const char* value : {"-1", "1.5", "1e3", "abc"})
    refused("generate none --prompt x", "--seed", value, "is not a whole number of at least 0");
  refused("generate none --prompt x", "--seed", "99999999999999999999999", "is above 9223372036854775807");
  for (const char* value : {"0", "4097", "two"})
    refused("generate none --prompt x", "--threads", value, "is not a whole number between 1 and 4096");
  refused("generate none --prompt x", "--device", "gpu", "is not taken: no device is called \"gpu\"");
  for (const char* value : {"nan", "inf", "-0.5", "hot"})
    refused("generate none --prompt x", "--temperature-sampling", value,
            "is not a finite number of at least 0");
  for (const char* value : {"nan", "0", "1.01", "-inf"})
    refused("generate none --prompt x", "--top-p", value, "is not a finite number above 0 and at most 1");
  refused("generate none --prompt x", "--batch-size", "0", "is not a whole number of at least 1");
  refused("generate none --prompt x", "--max-new-tokens", "-1", "is not a whole number of at least 0");
  for (const char* value : {"inf", "nan", "0", "-1"})
    refused("score none --input x", "--temperature", value, "is not a finite number above 0");
  refused("score none --input x", "--top-k", "-1", "is not a whole number between 0 and 1073741824");
  refused("score none --input x", "--combine", "outputs",
          "is none of output, parameter; did you mean 'output'?");
  refused("score none --input x", "--compat", "mtl", "is none of none, mttl, peft, phatgoose; did you mean");
  refused("score none --input x", "--router", "arow", "is not taken: unknown router 'arow'");
  for (const char* value : {"0", "-1"}) {
    refused("eval rouge none --data x", "--limit", value, "is not a whole number of at least 1");
    refused("eval piqa none --data x", "--limit", value, "is not a whole number of at least 1");
    refused("merge none --name m", "--rank", value, "is not a whole number between 1 and 1048576");
    refused("cluster none", "--k", value, "is not a whole number of at least 1");
    refused("prototypes phatgoose none -c x", "--n-steps", value, "is not a whole number of at least 1");
    refused("prototypes phatgoose none -c x", "--learning-rate", value, "is not a finite number above 0");
  }
  refused("eval rouge none --data x", "--split", "tset",
          "is none of train, validation, valid, dev, test; did you");
  refused("merge none --name m", "--density", "0", "is not a finite number above 0 and at most 1");
  EXPECT_NE(error(2, "merge none --name m --weights 1,inf").find("'inf' is not a finite number"),
            std::string::npos);
  refused("merge none --name m", "--method", "men", "is not taken: unknown merge method 'men'");
  refused("cluster none", "--sparsity", "1", "is not a finite number of at least 0 and below 1");
  refused("prototypes phatgoose none -c x", "--warmup-ratio", "2", "is not a finite number between 0 and 1");
  refused("prototypes arrow none", "--compat", "mttl", "is none of none, peft");
  EXPECT_NE(error(2, "plot none --out x.gif").find("ends in neither .svg nor .png"), std::string::npos);
  EXPECT_NE(error(2, "fetch smollm").find("is none of smollm2-135m"), std::string::npos);
  write_file_atomic(path("config.json"), "{}");
  EXPECT_EQ(error(2, "train -c " + arg("config.json") + " -k lora_rank=0"),
            "quiver: error: -k: 'lora_rank' is 0, must be between 1 and 1048576");
  write_file_atomic(path("config.json"), R"({"lora_rank": 0})");
  EXPECT_NE(error(1, "train -c " + arg("config.json")).find("'lora_rank' is 0"), std::string::npos);
}

TEST_F(Failure, WrongUsageIsStatusTwo) {
  EXPECT_NE(error(2, "").find("quiver --help"), std::string::npos);
  EXPECT_EQ(error(2, "generat x"), "quiver: error: unknown command 'generat' (did you mean 'generate'?)");
  EXPECT_EQ(error(2, "library lst x"), "quiver: error: unknown command 'lst' (did you mean 'ls'?)");
  EXPECT_NE(error(2, "generate " + base() + " --promt a").find("--promt"), std::string::npos);
  EXPECT_NE(error(2, "generate " + base()).find("--prompt or --input"), std::string::npos);
  EXPECT_NE(error(2, "train").find("--config"), std::string::npos);
  const std::string oracle =
      "generate " + base() + " --prompt a --library " + arg("library") + " --router oracle";
  EXPECT_EQ(error(2, oracle + " --temperature 2"),
            "quiver: error: --temperature goes with --router arrow, phatgoose, average_activation, spectral "
            "(quiver --help)");
  for (const char* option : {"--top-k 2", "--combine output", "--scale yes", "--mixture a=1"})
    EXPECT_NE(error(2, oracle + " " + option).find(" goes with --router "), std::string::npos) << option;
  EXPECT_EQ(error(2, "generate " + base() + " --prompt a --library " + arg("library") +
                         " --router arrow --default-expert x"),
            "quiver: error: --default-expert goes with --router oracle (quiver --help)");
  EXPECT_NE(error(2, "library rm " + arg("library")).find("NAME"), std::string::npos);
  error(2, "generate " + base() + " --prompt a --max-new-tokens many");
  EXPECT_NE(error(2, "--threads 0 library ls x").find("--threads"), std::string::npos);
  error(2, "--log-format xml library ls " + arg("library"));
}

TEST_F(Failure, MissingFilesAreNamed) {
  const auto names = [&](const std::string& file, const std::string& arguments) {
    const std::string line = error(1, arguments);
    EXPECT_NE(line.find(file), std::string::npos) << line;
  };
  names("nowhere.json", "train -c " + arg("nowhere.json"));
  names("nowhere", "library ls " + arg("nowhere"));
  names("nowhere", "generate " + arg("nowhere") + " --prompt a");
  names("nowhere.jsonl", "score " + base() + " --input " + arg("nowhere.jsonl"));
  names("nowhere.json", "plot " + arg("nowhere.json") + " --out " + arg("chart.svg"));
  names("nowhere.jsonl", "eval rouge " + base() + " --data " + arg("nowhere.jsonl"));
}

TEST_F(Failure, NearMissesAreNamed) {
  Json config = experiment();
  config["finetune_task_name"] = "color";
  const std::string task = error(1, "train " + config_option(config));
  EXPECT_NE(task.find("'color'"), std::string::npos) << task;
  EXPECT_NE(task.find("did you mean 'colour'"), std::string::npos) << task;
  EXPECT_FALSE(std::filesystem::exists(path("library")));

  config = experiment();
  config["lora_rnk"] = 4;
  const std::string key = error(1, "train " + config_option(config));
  EXPECT_NE(key.find("'lora_rnk'"), std::string::npos) << key;
  EXPECT_NE(key.find("did you mean 'lora_rank'"), std::string::npos) << key;

  config_option(experiment());
  const std::string override_key = error(2, "train -c " + arg("config.json") + " -k learning_rat=1");
  EXPECT_NE(override_key.find("did you mean 'learning_rate'"), std::string::npos) << override_key;

  const std::string router =
      error(2, "generate " + base() + " --library " + arg("library") + " --router arow --prompt a");
  EXPECT_NE(router.find("'arow'"), std::string::npos) << router;
  EXPECT_NE(router.find("arrow"), std::string::npos) << router;
}

TEST_F(Failure, CudaWithoutADeviceSaysSo) {
  const test::ProgramResult result = run("--device cuda generate " + base() + " --prompt a");
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_EQ(result.err.rfind("quiver: error: ", 0), 0u) << result.err;
  EXPECT_NE(result.err.find("cuda"), std::string::npos) << result.err;
  EXPECT_EQ(test::lines_of(result.err).size(), 1u) << result.err;
  EXPECT_NE(error(2, "--device tpu generate " + base() + " --prompt a").find("tpu"), std::string::npos);
}

TEST_F(Failure, AFullDiskLeavesTheLibraryIntact) {
  train("colour");
  const std::string shown = run_ok("library show " + arg("library"));
  // No file may grow past 2 KiB; an expert's weights are larger, its library's and config's files are not.
  const std::string line =
      error(1, "train -c " + arg("config.json") + " -k finetune_task_name=taste", "ulimit -f 4; ");
  EXPECT_NE(line.find("File too large"), std::string::npos) << line;
  EXPECT_EQ(run_ok("library show " + arg("library")), shown);
  EXPECT_EQ(run_ok("library verify " + arg("library")), "1 experts verified\n");
  // With room again, the same command ends well.
  run_ok("train -c " + arg("config.json") + " -k finetune_task_name=taste");
  EXPECT_EQ(run_ok("library verify " + arg("library")), "2 experts verified\n");
}

TEST_F(Failure, ALibraryThatCannotBeMadeIsNamedBeforeTraining) {
  Json config = experiment();
  config["library_id"] = path("tasks.jsonl/library").string();  // below a file: refused whoever runs this
  const test::ProgramResult result = run("train " + config_option(config));
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err.rfind("quiver: error: ", 0), 0u) << result.err;
  EXPECT_NE(result.err.find("tasks.jsonl/library"), std::string::npos) << result.err;
}

TEST_F(Failure, AFullStdoutIsAnError) {
  train("colour");
  for (const std::string& command : {"library ls " + arg("library"), "library show " + arg("library"),
                                     "generate " + base() + " --prompt a --max-new-tokens 2"}) {
    const test::CommandResult result = test::run_command(program() + " " + command + " >/dev/full");
    EXPECT_EQ(result.status, 1) << command;
    EXPECT_NE(result.output.find("quiver: error: cannot write to stdout"), std::string::npos)
        << result.output;
  }
}

TEST_F(Failure, OneModelMeansOneRouter) {
  train("colour");
  const std::string routers = " --library " + arg("library") + " --router uniform,base";
  for (const std::string& command :
       {"generate " + base() + routers + " --prompt a", "route " + base() + routers + " --prompt a",
        "compose --base " + base() + routers + " --out " + arg("composed")}) {
    EXPECT_NE(error(2, command).find("this command takes one --router, not 2"), std::string::npos) << command;
  }
}

// Many minutes of work on one core; the signal comes when the model is loaded and must end it soon.
TEST_F(Failure, AnInterruptedEvaluationEndsAndWritesNothing) {
  std::string rows;
  for (int i = 0; i < 100000; ++i) rows += "{\"prompt\": \"colour of the sea:\"}\n";
  write_file_atomic(path("prompts.jsonl"), rows);
  const test::ProgramResult result = run(
      "generate " + base() + " --max-new-tokens 100 --input " + arg("prompts.jsonl") + " --out " + arg("out"),
      "timeout --foreground --preserve-status -k 15 -s INT 4 ");
  EXPECT_EQ(result.status, 130);
  EXPECT_NE(result.err.find("quiver: error: interrupted; nothing was written"), std::string::npos)
      << result.err;
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

TEST_F(Failure, AClosedTerminalStopsATrainingAsCtrlCDoes) {
  // What a session's end may send: neither the second nor the third may cut the checkpoint off.
  const std::string kill = "kill -HUP $pid; kill -HUP $pid; kill -TERM $pid; ";
  const test::CommandResult result = test::run_command(
      program() + " train " + config_option(experiment()) +
      " -k finetune_task_name=colour -k total_steps=1000000 & pid=$!; sleep 4; " + kill + "wait $pid");
  EXPECT_EQ(result.status, 130) << result.output;
  EXPECT_NE(result.output.find("quiver: error: interrupted after step"), std::string::npos) << result.output;
  EXPECT_TRUE(std::filesystem::exists(path("output/checkpoints/colour.safetensors")));
}

TEST_F(Failure, AReaderOfMessagesThatLeavesStopsATraining) {
  const std::string train = program() + " train " + config_option(experiment());
  const test::CommandResult piped =
      test::run_command("{ " + train + "; echo $? >" + arg("status") + "; } 2>&1 | true");
  EXPECT_EQ(piped.status, 0);
  EXPECT_EQ(test::content(path("status")), "130\n");
  EXPECT_EQ(run_ok("library ls " + arg("library")), "colour\n");  // the first to end had to report
  EXPECT_TRUE(std::filesystem::exists(path("output/checkpoints/number.safetensors")));
  run_ok("train --resume -c " + arg("config.json"));
  EXPECT_EQ(run_ok("library ls " + arg("library")), "colour\nnumber\ntaste\n");
}

TEST_F(Failure, AReaderOfMessagesThatLeavesCostsNoResults) {
  write_file_atomic(path("prompts.jsonl"), "{\"prompt\": \"colour of the sea:\"}\n");
  test::run_command("{ " + program() + " generate " + base() + " --max-new-tokens 2 --input " +
                    arg("prompts.jsonl") + " --out " + arg("out") + "; echo $? >" + arg("status") +
                    "; } 2>&1 | true");
  EXPECT_EQ(test::content(path("status")), "0\n");
  EXPECT_EQ(test::json_lines_of(test::content(path("out"))).size(), 1u);
}

TEST_F(Failure, AClosedStdoutIsOneLine) {
  run_ok("library create " + arg("library"));
  const std::string said = "quiver: error: cannot write to stdout\n";
  for (const std::string& command :
       {"library show " + arg("library") + " --help",
        "generate " + base() + " --prompt a --max-new-tokens 2 --no-progress --quiet"}) {
    const test::ProgramResult closed = run(command, "");
    EXPECT_EQ(closed.status, 0);
    for (const std::string redirection : {" >&-", " >/dev/full"}) {
      const test::CommandResult result = test::run_command(program() + " " + command + redirection);
      EXPECT_EQ(result.status, 1) << command << redirection;
      EXPECT_EQ(result.output, said) << command << redirection;
    }
    const test::CommandResult gone = test::run_command("{ " + program() + " " + command + " 2>" + arg("err") +
                                                       "; echo $? >" + arg("status") + "; } | true");
    EXPECT_EQ(test::content(path("status")), "1\n");
    EXPECT_EQ(test::content(path("err")), said);
  }
}

TEST_F(Failure, APlaceThatCannotBeWrittenIsRefusedBeforeTheWork) {
  std::filesystem::create_directory(path("folder"));
  // Had the work begun, the missing model would be the error.
  const std::string model = arg("no_model");
  write_file_atomic(path("rows.jsonl"), "{\"prompt\": \"a\", \"completion\": \"b\"}\n");
  for (const std::string& command :
       {"generate " + model + " --prompt a --out ",
        "score " + model + " --input " + arg("rows.jsonl") + " --out ",
        "route " + model + " --prompt a --out ", "eval rouge " + model + " --data " + arg("none") + " --out ",
        "eval arc_easy " + model + " --data " + arg("none") + " --out ",
        "eval arc_easy " + model + " --data " + arg("none") + " --out-samples ",
        "cluster " + arg("none") + " --out "}) {
    EXPECT_NE(error(1, command + arg("folder")).find("folder': it is a folder"), std::string::npos)
        << command;
    EXPECT_NE(error(1, command + arg("rows.jsonl/below")).find("Not a directory"), std::string::npos)
        << command;
  }
  std::filesystem::create_directory(path("folder.svg"));
  EXPECT_NE(
      error(1, "plot " + arg("none") + " --out " + arg("folder.svg")).find("folder.svg': it is a folder"),
      std::string::npos);
  EXPECT_NE(error(1, "compose --base " + model + " --out " + arg("rows.jsonl")).find("is not a folder"),
            std::string::npos);
  EXPECT_NE(error(1, "train -c " + arg("folder")).find("folder' is a folder"), std::string::npos);
}

TEST_F(Failure, OutKeepsWhatIsNoPlainFile) {
  const std::string generate = "generate " + base() + " --prompt a --max-new-tokens 2 --out ";
  const std::string text = run_ok("generate " + base() + " --prompt a --max-new-tokens 2");
  EXPECT_EQ(run_ok(generate + "/dev/stdout"), text);
  EXPECT_EQ(run_ok(generate + "/proc/self/fd/1"), text);
  write_file_atomic(path("real"), "old");
  std::filesystem::create_symlink("real", path("link"));
  run_ok(generate + arg("link"));
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(test::content(path("real")), text);
  const test::CommandResult fifo =
      test::run_command("mkfifo " + arg("pipe") + "; cat " + arg("pipe") + " & " + program() + " " +
                        generate + arg("pipe") + " 2>/dev/null; wait");
  EXPECT_EQ(fifo.output, text);
  EXPECT_TRUE(std::filesystem::is_fifo(path("pipe")));
}

TEST_F(Failure, ErrorsCanBeJson) {
  const test::ProgramResult result = run("--log-format json library ls " + arg("nowhere"));
  EXPECT_EQ(result.status, 1);
  const Json line = Json::parse(result.err);
  EXPECT_EQ(line.at("level"), "error");
  EXPECT_NE(line.at("message").get<std::string>().find("nowhere"), std::string::npos);
}

TEST_F(Failure, QuietSaysNothingWhenAllIsWell) {
  config_option(experiment());
  const test::ProgramResult result =
      run("train --quiet -c " + arg("config.json") + " -k finetune_task_name=colour -k total_steps=2");
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out, "");
}

}  // namespace
}  // namespace quiver
