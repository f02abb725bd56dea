#include "command_line.h"

#include <CLI/CLI.hpp>

#include "core/log.h"
#include "core/strings.h"

namespace quiver::program {
namespace {

void report(const std::string& message, const std::string& hint) {
  log({LogLevel::kError, message + " (" + hint + ")"});
}

}  // namespace

Option* Option::required(bool value) {
  option_->required(value);
  return this;
}

Option* Option::check(Number kind) { return check(whole_number(kind == Number::kPositive ? 1 : 0)); }

Option* Option::check(Range range) { return check(whole_number(range.min, range.max)); }

Option* Option::check(OneOf words) { return check(one_of(std::move(words.words))); }

// CLI11's own checks of numbers go through a double, print its largest as a bound, and take what fits no
// type.
Option* Option::check(ValueCheck check) {
  const auto problem = [check = std::move(check)](std::string& value) {
    const std::optional<std::string> found = check(value);
    return found ? "'" + value + "' " + *found : std::string();
  };
  option_->check(CLI::Validator(problem, ""));
  return this;
}

Option* Option::capture_default_str() {
  option_->capture_default_str();
  return this;
}

Option* Option::delimiter(char between) {
  option_->delimiter(between);
  return this;
}

Option* Option::allow_extra_args(bool value) {
  option_->allow_extra_args(value);
  return this;
}

Option* Option::excludes(const Option* other) {
  option_->excludes(other->option_);
  return this;
}

bool Option::empty() const { return option_->empty(); }

Command* Command::add_subcommand(const std::string& name, const std::string& description) {
  return &subcommands_.emplace_back(app_->add_subcommand(name, description));
}

template <typename T>
Option* Command::add_option(const std::string& names, T& value, const std::string& description) {
  return &options_.emplace_back(app_->add_option(names, value, description));
}

Option* Command::add_option_function(const std::string& names, std::function<void(const std::string&)> use,
                                     const std::string& description) {
  return &options_.emplace_back(app_->add_option_function<std::string>(names, std::move(use), description));
}

Option* Command::add_flag(const std::string& names, bool& value, const std::string& description) {
  return &options_.emplace_back(app_->add_flag(names, value, description));
}

Option* Command::get_option(const std::string& name) {
  return &options_.emplace_back(app_->get_option(name));
}

void Command::require_subcommand(int count) { app_->require_subcommand(count); }

void Command::callback(std::function<void()> work) { app_->callback(std::move(work)); }

void Command::parse_complete_callback(std::function<void()> work) {
  app_->parse_complete_callback(std::move(work));
}

std::string Command::chosen_subcommand() const {
  const std::vector<CLI::App*> chosen = app_->get_subcommands();
  return chosen.empty() ? "" : chosen.front()->get_name();
}

std::vector<std::string> Command::given_options() const {
  std::vector<std::string> names;
  for (const CLI::Option* option : std::as_const(*app_).get_options())
    if (!option->empty()) names.push_back(option->get_name());
  return names;
}

Program::Program(const std::string& name, const std::string& description, const std::string& version)
    : Command(new CLI::App(description, name)) {
  app_->set_version_flag("--version", version);
  app_->require_subcommand(1);
  app_->fallthrough();
}

Program::~Program() { delete app_; }

// CLI11 says only that a command is missing; the word that stood in its place is more help.
void Program::report_usage(const std::string& problem) const {
  const CLI::App* command = app_;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  const std::vector<std::string> rest = app_->remaining(true);
  if (command->get_require_subcommand_min() == 0 || rest.empty()) {
    report(problem, "quiver --help");
    return;
  }
  std::vector<std::string> known;
  for (const CLI::App* other : command->get_subcommands([](const CLI::App*) { return true; }))
    known.push_back(other->get_name());
  const std::string nearest = did_you_mean(rest.front(), known);
  report("unknown command '" + rest.front() + "'", nearest.empty() ? "quiver --help" : nearest);
}

std::optional<int> Program::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app_->exit(error);  // --help and --version
    report_usage(error.what());
  } catch (const UsageError& error) {
    report_usage(error.what());
  }
  return 2;
}

template Option* Command::add_option(const std::string&, std::string&, const std::string&);
template Option* Command::add_option(const std::string&, int&, const std::string&);
template Option* Command::add_option(const std::string&, std::int64_t&, const std::string&);
template Option* Command::add_option(const std::string&, std::uint64_t&, const std::string&);
template Option* Command::add_option(const std::string&, double&, const std::string&);
template Option* Command::add_option(const std::string&, std::optional<std::string>&, const std::string&);
template Option* Command::add_option(const std::string&, std::optional<int>&, const std::string&);
template Option* Command::add_option(const std::string&, std::optional<std::int64_t>&, const std::string&);
template Option* Command::add_option(const std::string&, std::optional<std::uint64_t>&, const std::string&);
template Option* Command::add_option(const std::string&, std::optional<double>&, const std::string&);
template Option* Command::add_option(const std::string&, std::vector<std::string>&, const std::string&);
template Option* Command::add_option(const std::string&, std::vector<std::int64_t>&, const std::string&);
template Option* Command::add_option(const std::string&, std::vector<double>&, const std::string&);

}  // namespace quiver::program
