#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <malloc.h>

#include <csignal>
#include <cstdio>
#include <iostream>

#include "commands.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/strings.h"
#include "failure.h"
#include "quiver/error.h"
#include "version_text.h"

namespace quiver::program {
namespace {

// Freed tensors stay with the process: giving pages back and faulting them in again costs a tenth of a
// training step.
void keep_freed_memory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
}

void add_global_options(CLI::App& program, GlobalOptions& global) {
  program.add_option("--threads", global.threads, "Threads to use (default: one per core)")
      ->check(CLI::Range(1, 4096));
  program.add_option("--device", global.device, "cpu, cuda or cuda:N")->capture_default_str();
  program.add_option("--precision", global.precision,
                     "float32, bfloat16 or q8 (default: the config's, or float32)");
  program.add_option("--seed", global.seed, "Seed of everything random (default: the config's, or 42)")
      ->check(CLI::NonNegativeNumber);
  program.add_flag("--quiet", global.quiet, "Only warnings and errors on stderr");
  program.add_option("--log-format", global.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  program.add_flag("--no-progress", global.no_progress, "No progress bar");
}

void apply(const GlobalOptions& global) {
  set_log_options({global.log_format == "json" ? LogFormat::kJson : LogFormat::kText, global.quiet});
  if (global.no_progress) set_progress_mode(ProgressMode::kLines);
  if (global.threads > 0) at::set_num_threads(global.threads);
}

int exit_status(const Error& error) { return error.kind() == ErrorKind::kInterrupted ? 130 : 1; }

void report(const std::string& message, const std::string& hint = {}) {
  log(LogLevel::kError, hint.empty() ? message : message + " (" + hint + ")");
}

// CLI11 says only that a command is missing; the word that stood in its place is more help.
void report_usage(const CLI::App& program, const CLI::ParseError& error) {
  const CLI::App* command = &program;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  const std::vector<std::string> rest = program.remaining(true);
  if (command->get_require_subcommand_min() == 0 || rest.empty()) {
    report(error.what(), "quiver --help");
    return;
  }
  std::vector<std::string> known;
  for (const CLI::App* other : command->get_subcommands([](const CLI::App*) { return true; }))
    known.push_back(other->get_name());
  const std::string nearest = did_you_mean(rest.front(), known);
  report("unknown command '" + rest.front() + "'", nearest.empty() ? "quiver --help" : nearest);
}

int run(int argc, char** argv) {
  GlobalOptions global;
  CLI::App program{"Quiver: LoRA experts, expert libraries, and routing of every token among them", "quiver"};
  program.set_version_flag("--version", version_text());
  program.require_subcommand(1);
  program.fallthrough();
  add_global_options(program, global);
  program.parse_complete_callback([&] { apply(global); });
  add_fetch(program);
  add_train(program, global);
  add_library(program);
  add_cluster(program, global);
  add_merge(program, global);
  add_prototypes(program, global);
  add_compose(program, global);
  add_generate(program, global);
  add_score(program, global);
  add_tokenize(program);
  add_route(program, global);
  add_eval(program, global);
  add_plot(program);
  add_tutorial(program, global);
  add_bench(program, global);
  try {
    try {
      program.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() != 0) {
        report_usage(program, error);
        return 2;
      }
      program.exit(error);  // --help and --version
    }
    std::cout.flush();
    if (!std::cout || std::fflush(stdout) != 0 || std::ferror(stdout))
      throw Error(ErrorKind::kIo, "cannot write to stdout");
    return 0;
  } catch (const std::exception& failure) {
    const Error error = describe_failure(failure);
    report(error.what(), error.hint());
    return exit_status(error);
  }
}

}  // namespace

BaseModelOptions GlobalOptions::model_options() const {
  return {precision ? parse_precision(*precision) : Precision::kFloat32, device};
}

}  // namespace quiver::program

int main(int argc, char** argv) {
  quiver::program::keep_freed_memory();
  quiver::install_interrupt_handler();
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the shell's limit is an error like a full disk
  return quiver::program::run(argc, argv);
}
