// The two files of the program: `quiver` answers some commands by itself, `quiver-engine` everything. A
// global option in front makes a command the engine's.

#include "e2e/program_test.h"

namespace quiver {
namespace {

using Front = test::ProgramTest;

test::CommandResult front(const std::string& arguments, const std::string& setup = {}) {
  return test::run_command(setup + test::quote(test::program_path()) + " " + arguments);
}

void expect_same(const std::string& arguments) {
  const test::CommandResult fast = front(arguments);
  const test::CommandResult full = front("--quiet " + arguments);
  EXPECT_EQ(fast.status, full.status) << arguments;
  EXPECT_EQ(fast.output, full.output) << arguments;
}

TEST_F(Front, LoadsNeitherLibTorchNorArrow) {
  const test::CommandResult loaded = front("--version", "LD_TRACE_LOADED_OBJECTS=1 ");
  EXPECT_EQ(loaded.status, 0);
  EXPECT_NE(loaded.output.find("libc.so"), std::string::npos) << loaded.output;
  for (const char* heavy : {"libtorch", "libc10", "libarrow", "libgomp"})
    EXPECT_EQ(loaded.output.find(heavy), std::string::npos) << loaded.output;
}

TEST_F(Front, AnswersAsTheEngineDoes) {
  const std::string adapter = test::quote(test::golden_path("tiny_llama_expert"));
  run_ok("library create " + arg("empty"));
  for (const char* name : {"second", "first"})
    run_ok("library import " + adapter + " " + arg("library") + " --name " + name);
  EXPECT_EQ(front("library ls " + arg("library")).output, "first\nsecond\n");
  EXPECT_NE(front("--version").output.find("LibTorch"), std::string::npos);
  for (const std::string arguments :
       {"--version", "--help", "", "library", "library ls", "library ls -h", "library ls virtual://none",
        "library ls other://place", "library ls ''", "unknown"})
    expect_same(arguments);
  for (const std::string& library : {arg("library"), arg("empty"), arg("absent"), arg("tasks.jsonl")})
    expect_same("library ls " + library);
}

TEST_F(Front, AFullDiskIsAnError) {
  run_ok("library import " + test::quote(test::golden_path("tiny_llama_expert")) + " " + arg("library"));
  const test::CommandResult listed = front("library ls " + arg("library") + " >/dev/full");
  EXPECT_EQ(listed.status, 1);
  EXPECT_EQ(listed.output, "quiver: error: cannot write to stdout\n");
}

TEST_F(Front, SaysWhenItsEngineIsGone) {
  std::filesystem::copy_file(test::program_path(), path("quiver"));
  EXPECT_EQ(test::run_command(arg("quiver") + " --version").output, front("--version").output);
  const test::CommandResult help = test::run_command(arg("quiver") + " --help");
  EXPECT_EQ(help.status, 1);
  EXPECT_NE(help.output.find("quiver-engine"), std::string::npos) << help.output;
}

}  // namespace
}  // namespace quiver
