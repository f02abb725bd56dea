// `cmake --install`, and examples/tutorial as a project of its own that finds the installed package.

#include "e2e/program_test.h"

namespace quiver {
namespace {

// The value of an entry of the build folder's CMakeCache.txt.
std::string cache_entry(const std::string& name) {
  const std::string cache = test::content(test::program_path().parent_path() / "CMakeCache.txt");
  for (const std::string& line : test::lines_of(cache)) {
    if (line.rfind(name + ":", 0) == 0) return line.substr(line.find('=') + 1);
  }
  ADD_FAILURE() << "no " << name << " in CMakeCache.txt";
  return "";
}

using Install = test::ProgramTest;

TEST_F(Install, TheExampleFindsThePackageAndRuns) {
  const std::string cmake = test::quote(cache_entry("CMAKE_COMMAND"));
  const test::CommandResult installed = test::run_command(
      cmake + " --install " + test::quote(test::program_path().parent_path()) + " --prefix " + arg("prefix"));
  ASSERT_EQ(installed.status, 0) << installed.output;
  const test::CommandResult program = test::run_command(arg("prefix/bin/quiver") + " --version");
  EXPECT_EQ(program.status, 0) << program.output;
  EXPECT_EQ(program.output, run_ok("--version"));

  const test::CommandResult configured =
      test::run_command(cmake + " -S " + test::quote(test::source_directory() / "examples" / "tutorial") +
                        " -B " + arg("build") + " -G " + test::quote(cache_entry("CMAKE_GENERATOR")) +
                        " -DCMAKE_CXX_COMPILER=" + test::quote(cache_entry("CMAKE_CXX_COMPILER")) +
                        " -DCMAKE_PREFIX_PATH=" + arg("prefix"));
  ASSERT_EQ(configured.status, 0) << configured.output;
  const test::CommandResult built = test::run_command(cmake + " --build " + arg("build"));
  ASSERT_EQ(built.status, 0) << built.output;

  const test::CommandResult run = test::run_command("OMP_NUM_THREADS=1 " + arg("build/tutorial") + " " +
                                                    base() + " " + arg("tasks.jsonl") + " " + arg("library"));
  ASSERT_EQ(run.status, 0) << run.output;
  for (const char* line :
       {"trained colour: loss ", "trained number: loss ", "base: rougeL ", "arrow: rougeL "})
    EXPECT_NE(run.output.find(line), std::string::npos) << run.output;
  EXPECT_EQ(run_ok("library verify " + arg("library")), "2 experts verified\n");
}

// Public headers install without src/, so they may include each other, LibTorch, nlohmann-json and the
// standard library only.
TEST(PublicHeaders, IncludeOnlyPublicHeaders) {
  for (const auto& entry :
       std::filesystem::directory_iterator(test::source_directory() / "include" / "quiver")) {
    for (const std::string& line : test::lines_of(test::content(entry.path()))) {
      if (line.rfind("#include", 0) != 0) continue;
      const bool allowed = line.find('"') == std::string::npos
                               ? line.find('/') == std::string::npos ||
                                     line.find("<ATen/") != std::string::npos ||
                                     line.find("<nlohmann/") != std::string::npos
                               : line.find("\"quiver/") != std::string::npos;
      EXPECT_TRUE(allowed) << entry.path() << ": " << line;
    }
  }
}

}  // namespace
}  // namespace quiver
