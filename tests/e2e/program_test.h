#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/json.h"
#include "support/test_support.h"

namespace quiver::test {

struct ProgramResult {
  int status;
  std::string out;  // stdout
  std::string err;  // stderr
};

// In single quotes, for the shell.
inline std::string quote(const std::filesystem::path& text) {
  std::string quoted = "'";
  quoted += text.string();
  quoted += '\'';
  return quoted;
}

inline std::string content(const std::filesystem::path& path) { return read_file(path, 64 << 20); }

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

inline std::vector<Json> json_lines_of(const std::string& text) {
  std::vector<Json> objects;
  for (const std::string& line : lines_of(text)) objects.push_back(Json::parse(line));
  return objects;
}

// Runs the built program in a scratch folder that holds a small task set, with one thread, so that every
// number is reproducible.
class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() { write_file_atomic(path("tasks.jsonl"), task_rows()); }

  std::filesystem::path path(const std::string& name) const { return scratch_ / name; }
  // The same in quotes, for a command line.
  std::string arg(const std::string& name) const { return quote(path(name)); }

  static std::string program() { return quote(program_path()) + " --threads 1"; }
  static std::string base() { return quote(golden_path("tiny_llama")); }

  // `setup` is shell that runs before the program: "cd x; ", "ulimit -f 8; ".
  ProgramResult run(const std::string& arguments, const std::string& setup = {}) const {
    const std::string command =
        setup + program() + " " + arguments + " >" + arg("stdout") + " 2>" + arg("stderr");
    const int status = run_command(command).status;
    return {status, content(path("stdout")), content(path("stderr"))};
  }

  // As above, for commands that must succeed; what they printed.
  std::string run_ok(const std::string& arguments, const std::string& setup = {}) const {
    const ProgramResult result = run(arguments, setup);
    EXPECT_EQ(result.status, 0) << arguments << "\n" << result.err;
    return result.out;
  }

  // Settings that train each task's expert in about a second.
  Json experiment() const {
    return {{"model", golden_path("tiny_llama").string()},
            {"dataset", path("tasks.jsonl").string()},
            {"include_task_source", "*"},
            {"library_id", path("library").string()},
            {"output_dir", path("output").string()},
            {"modify_modules", ".*self_attn"},
            {"modify_layers", "q_proj|k_proj|v_proj"},
            {"learning_rate", 1e-2},
            {"max_grad_norm", 1.0},
            {"total_steps", 12},
            {"max_input_length", 64},
            {"max_output_length", 4},
            {"seed", 7}};
  }

  // Writes `config` and returns "-c 'FILE'".
  std::string config_option(const Json& config) const {
    write_file_atomic(path("config.json"), dump_json(config));
    return "-c " + arg("config.json");
  }

  // Experts for every task, or those given, in "library".
  void train(const std::string& tasks = {}) const {
    Json config = experiment();
    if (!tasks.empty()) config["finetune_task_name"] = tasks;
    run_ok("train " + config_option(config));
  }

 private:
  // Three tasks of 12 training, 2 validation and 3 test rows.
  static std::string task_rows() {
    const std::vector<std::string> nouns = {"sea", "sun", "ice", "oak", "fox", "hen"};
    std::string rows;
    for (const std::string task : {"colour", "number", "taste"}) {
      const std::string answer = task == "colour" ? "blue" : task == "number" ? "seven" : "sweet";
      for (std::size_t i = 0; i < 17; ++i) {
        const Json row = {{"source", task + " of the " + nouns[i % nouns.size()] + ":"},
                          {"target", answer},
                          {"task_name", task},
                          {"split", i < 12   ? "train"
                                    : i < 14 ? "validation"
                                             : "test"}};
        rows += dump_json(row) + "\n";
      }
    }
    return rows;
  }

  ScratchDirectory scratch_;
};

}  // namespace quiver::test
