#include "program.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <cstdio>
#include <iostream>

#include "commands.h"
#include "core/log.h"
#include "failure.h"
#include "log_output.h"
#include "progress.h"
#include "quiver/error.h"
#include "tensor/device.h"
#include "version_text.h"

namespace quiver::program {
namespace {

// Whether there is such a device is another question, which the machine answers.
void check_device_name(const std::string& name) {
  try {
    parse_device(name);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInvalidArgument) throw;
  }
}

void add_global_options(Command& program, GlobalOptions& global) {
  program.add_option("--threads", global.threads, "Threads to use (default: one per core)")
      ->check(Range{1, 4096});
  program.add_option("--device", global.device, "cpu, cuda or cuda:N")
      ->check(parsed_by(check_device_name))
      ->capture_default_str();
  program
      .add_option("--precision", global.precision,
                  "float32, bfloat16 or q8 (default: the config's, or float32)")
      ->check(parsed_by(parse_precision));
  program.add_option("--seed", global.seed, "Seed of everything random (default: the config's, or 42)")
      ->check(Number::kNonNegative);
  program.add_flag("--quiet", global.quiet, "Only warnings and errors on stderr");
  program.add_option("--log-format", global.log_format, "text or json")
      ->check(OneOf{{"text", "json"}})
      ->capture_default_str();
  program.add_flag("--no-progress", global.no_progress, "No progress bar");
}

void apply(const GlobalOptions& global) {
  write_log_to_stderr(global.log_format == "json" ? LogFormat::kJson : LogFormat::kText,
                      global.quiet ? LogDetail::kNoInfo : LogDetail::kAll);
  if (global.no_progress) set_progress_mode(ProgressMode::kLines);
  if (global.quiet) set_progress_mode(ProgressMode::kOff);
  if (global.threads > 0) at::set_num_threads(global.threads);
}

// What a -k says wrong is wrong usage, as a bad value of any other option is.
int exit_status(const Error& error) {
  if (error.kind() == ErrorKind::kInterrupted) return 130;
  return error.kind() == ErrorKind::kInvalidArgument && std::string_view(error.what()).starts_with("-k") ? 2
                                                                                                         : 1;
}

void report(const std::string& message, const std::string& hint = {}) {
  log({LogLevel::kError, hint.empty() ? message : message + " (" + hint + ")"});
}

}  // namespace

int run_program(int argc, char** argv) {
  GlobalOptions global;
  Program program("quiver", "Quiver: LoRA experts, expert libraries, and routing of every token among them",
                  version_text());
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
  add_adapt(program, global);
  add_transfer(program, global);
  add_plot(program);
  add_report(program);
  add_tutorial(program, global);
  add_serve(program, global);
  add_bench(program, global);
  try {
    const std::optional<int> status = program.parse(argc, argv);
    std::cout.flush();
    if (!std::cout || std::fflush(stdout) != 0 || std::ferror(stdout))
      throw Error(ErrorKind::kIo, "cannot write to stdout");
    return status.value_or(0);
  } catch (const std::exception& failure) {
    const Error error = describe_failure(failure);
    report(error.what(), error.hint());
    return exit_status(error);
  }
}

BaseModelOptions GlobalOptions::model_options() const {
  return {precision ? parse_precision(*precision) : Precision::kFloat32, device};
}

}  // namespace quiver::program
