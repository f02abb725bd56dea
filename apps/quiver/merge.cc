#include <memory>

#include "commands.h"
#include "core/log.h"
#include "quiver/transforms.h"
#include "storage/names.h"

namespace quiver::program {
namespace {

struct Arguments {
  std::string library, to, name, method = "mean", majority_sign = "total", compat = "none";
  std::vector<std::string> experts;
  MergeOptions options;
};

void run(const Arguments& arguments, const GlobalOptions& global) {
  const ExpertLibrary source = ExpertLibrary::open(arguments.library);
  require_new_name(arguments.name, "expert name");
  MergeOptions options = arguments.options;
  options.method = parse_merge_method(arguments.method);
  if (global.seed) options.seed = *global.seed;
  if (arguments.majority_sign == "frequency") options.majority_sign = MajoritySign::kFrequency;
  options.compat = parse_compat(arguments.compat);
  const bool subtracts = options.method == MergeMethod::kSubtract;
  if (subtracts && arguments.experts.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "subtract needs --experts, the one expert to subtract from");
  }
  const std::vector<std::string> experts = arguments.experts.empty() ? source.names() : arguments.experts;
  ExpertLibrary target = arguments.to.empty() ? source : ExpertLibrary::open_or_create(arguments.to);
  if (target.contains(arguments.name)) {
    throw Error(ErrorKind::kAlreadyExists,
                "library " + target.uri() + " has an expert '" + arguments.name + "' already",
                "give another --name");
  }
  Expert merged = merge_experts(source, experts, options, arguments.name);
  if (arguments.to.empty() && !merged.info.tasks.empty()) {
    // Two experts of one library cannot both be the oracle's for a task.
    merged.info.tasks.clear();
    log_info("'" + arguments.name + "' names no tasks, since its parents are in the same library; see --to");
  }
  target.add(merged);
  const std::string what = subtracts ? "subtracted " + std::to_string(options.general.size()) +
                                           " general experts from '" + experts.front() + "' as '"
                                     : "merged " + std::to_string(experts.size()) + " experts into '";
  log_info(what + arguments.name + "' in " + target.uri());
}

}  // namespace

void add_merge(Command& program, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command = program.add_subcommand("merge", "Join experts of a library into one");
  command->add_option("LIBRARY", arguments->library)->required();
  command
      ->add_option(
          "--method", arguments->method,
          "mean, mttl_ties, wudi (mttl's); cat, linear, svd, ties, ties_svd, dare_linear, "
          "dare_linear_svd, dare_ties, dare_ties_svd, magnitude_prune, magnitude_prune_svd (PEFT's); "
          "subtract (GenKnowSub): one expert less the mean of --general")
      ->check(parsed_by(parse_merge_method))
      ->capture_default_str();
  command->add_option("--name", arguments->name, "Of the new expert")->required();
  command->add_option("--experts", arguments->experts, "Which to join, comma-separated (default: all)")
      ->delimiter(',')
      ->allow_extra_args(false);
  MergeOptions& options = arguments->options;
  command
      ->add_option("--general", options.general,
                   "Experts that subtract subtracts, comma-separated; --weights are theirs")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--compat", arguments->compat,
                   "Of subtract: peft subtracts A and B apart, as PEFT's Arrow does")
      ->check(OneOf{{"none", "peft"}})
      ->capture_default_str();
  command->add_option("--weights", options.weights, "One an expert, in the same order, comma-separated")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(finite_number([](double) { return true; }, ""));
  command->add_option("--density", options.density, "Share of the numbers that pruning keeps")
      ->check(finite_number([](double share) { return share > 0 && share <= 1; }, "above 0 and at most 1"))
      ->capture_default_str();
  command->add_option("--majority-sign", arguments->majority_sign, "Of ties: total or frequency")
      ->check(OneOf{{"total", "frequency"}})
      ->capture_default_str();
  command
      ->add_option("--rank", options.rank,
                   "Of the svd methods' result (default: the largest rank), or of subtract's (default: all)")
      ->check(Range{1, 1 << 20});
  command->add_option("--to", arguments->to, "Another library for the new expert");
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
