#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "value_check.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace quiver::program {

// The command-line parser's one home: command_line.cc alone includes CLI11, which costs ten seconds a file.
// Names and meanings are CLI11's; values of a new type need a line at the end of command_line.cc.

// The arguments do not go together; the program says so and exits with 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Short for the checks of value_check.h: whole numbers from 1 or 0 on.
enum class Number { kPositive, kNonNegative };

struct Range {
  int min, max;  // both included
};

struct OneOf {
  std::vector<std::string> words;
};

class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option* required(bool value = true);
  Option* check(Number kind);
  Option* check(Range range);
  Option* check(OneOf words);
  Option* check(ValueCheck check);
  // --help shows the value that the variable has now.
  Option* capture_default_str();
  Option* delimiter(char between);
  Option* allow_extra_args(bool value);
  Option* excludes(const Option* other);
  // Whether the command line did not give it.
  bool empty() const;

 private:
  CLI::Option* option_;
};

// One command. What it adds lives as long as it does; variables and callbacks are used by Program::parse.
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  Command* add_subcommand(const std::string& name, const std::string& description);
  template <typename T>
  Option* add_option(const std::string& names, T& value, const std::string& description = "");
  Option* add_option_function(const std::string& names, std::function<void(const std::string&)> use,
                              const std::string& description);
  Option* add_flag(const std::string& names, bool& value, const std::string& description);
  // Of those added before; throws where there is none of the name.
  Option* get_option(const std::string& name);

  void require_subcommand(int count);
  // Runs when everything is parsed; may throw UsageError and everything else.
  void callback(std::function<void()> work);
  // Runs before the callbacks of all commands.
  void parse_complete_callback(std::function<void()> work);

  // The command that stands behind this one on the command line; "" for none.
  std::string chosen_subcommand() const;
  // Names of this command's options that the command line gives.
  std::vector<std::string> given_options() const;

 protected:
  CLI::App* app_;

 private:
  std::deque<Option> options_;
  std::deque<Command> subcommands_;
};

class Program : public Command {
 public:
  Program(const std::string& name, const std::string& description, const std::string& version);
  ~Program();

  // Runs the command that the arguments name. Returns the exit status where no command was run: 0 after
  // --help and
  // --version, 2 for wrong usage, which was reported. Passes on what commands throw, but for UsageError.
  std::optional<int> parse(int argc, char** argv);

 private:
  void report_usage(const std::string& problem) const;
};

}  // namespace quiver::program
