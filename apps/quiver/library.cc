#include "quiver/library.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "commands.h"
#include "core/json.h"
#include "core/log.h"
#include "core/strings.h"
#include "module_check.h"
#include "quiver/mttl.h"
#include "storage/names.h"

namespace quiver::program {
namespace {

void list(const std::string& uri) {
  const ExpertLibrary library = ExpertLibrary::open(uri);
  for (const std::string& name : library.names()) std::printf("%s\n", name.c_str());
}

void show(const std::string& uri, const std::string& only) {
  const ExpertLibrary library = ExpertLibrary::open(uri);
  const std::vector<std::string> names = only.empty() ? library.names() : std::vector{only};
  for (const std::string& name : names) {
    const ExpertInfo info = library.info(name);
    const Json description = {
        {"name", info.name},      {"tasks", info.tasks},      {"base_model", info.base_model},
        {"rank", info.lora.rank}, {"alpha", info.lora.alpha}, {"training", info.training},
        {"metrics", info.metrics}};
    std::printf("%s\n", dump_json(description, only.empty() ? -1 : 2).c_str());
  }
}

void verify(const std::string& uri, const std::string& only) {
  const ExpertLibrary library = ExpertLibrary::open(uri);
  const std::vector<VerifyFinding> findings = only.empty() ? library.verify() : library.verify(only);
  for (const VerifyFinding& finding : findings) {
    std::printf("%s: %s\n", finding.expert.empty() ? "library" : finding.expert.c_str(),
                escape_controls(finding.problem).c_str());
  }
  if (!findings.empty()) {
    throw Error(ErrorKind::kCorruptFile, std::to_string(findings.size()) + " problems in " + library.uri());
  }
  std::printf("%zu experts verified\n", only.empty() ? library.names().size() : std::size_t{1});
}

// Says what came and what did not; fails where something did not.
void import_from_mttl(const std::string& path, ExpertLibrary& library, const MttlImportOptions& options) {
  const MttlImport done = import_mttl(path, library, options);
  constexpr std::size_t kNamed = 5;
  for (std::size_t i = 0; i < std::min(kNamed, done.left_out.size()); ++i) {
    log_info("left out: " + done.left_out[i]);
  }
  if (done.left_out.size() > kNamed) {
    log_info("left out: " + std::to_string(done.left_out.size() - kNamed) + " more of this kind");
  }
  for (const std::string& problem : done.problems) log_warning(problem);
  std::printf("%zu experts imported, %lld artefacts\n", done.experts.size(),
              static_cast<long long>(done.artefacts));
  if (done.problems.empty()) return;
  throw Error(ErrorKind::kCorruptFile, std::to_string(done.problems.size()) + " problems in '" + path + "'",
              "what could be imported is in the library");
}

void import_experts(const std::string& path, const std::string& uri, const std::string& name,
                    const std::string& base, IfExists if_exists) {
  if (is_mttl(path)) {
    ExpertLibrary library = ExpertLibrary::open_or_create(uri);
    import_from_mttl(path, library, {name, if_exists});
    return;
  }
  Expert expert = load_expert(path);
  if (!name.empty()) expert.info.name = name;
  require_new_name(expert.info.name, "expert name");
  expert = named_for_base(std::move(expert), base);
  ExpertLibrary library = ExpertLibrary::open_or_create(uri);
  library.add(expert, if_exists);
}

// `name` and `directory` as they were given: without the last, the name is the folder for all experts.
void export_experts(const std::string& uri, const std::string& name, const std::string& directory,
                    const std::string& format, const std::string& base) {
  const ExpertLibrary library = ExpertLibrary::open(uri);
  const bool all = directory.empty();
  if (format == "mttl") {
    const std::vector<std::string> names = all ? library.names() : std::vector{name};
    export_mttl(library, names, all ? name : directory);
    return;
  }
  if (all) throw UsageError("DIR: is required: a PEFT adapter folder holds one expert");
  save_expert(named_for_base(library.load(name), base), directory);
}

}  // namespace

void add_library(Command& program) {
  struct Arguments {
    std::string first, second, third, name, base;
    std::string format = "peft";
    bool force = false;
    IfExists if_exists() const { return force ? IfExists::kReplace : IfExists::kRefuse; }
  };
  auto a = std::make_shared<Arguments>();
  Command* library = program.add_subcommand("library", "Keep a library of experts");
  library->require_subcommand(1);
  const auto add = [&](const char* command, const char* what, std::vector<const char*> names,
                       std::size_t required, std::function<void()> action) {
    Command* sub = library->add_subcommand(command, what);
    std::string* places[] = {&a->first, &a->second, &a->third};
    for (std::size_t i = 0; i < names.size(); ++i)
      sub->add_option(names[i], *places[i])->required(i < required);
    sub->callback(std::move(action));
    return sub;
  };
  add("create", "Make an empty library", {"LIBRARY"}, 1, [a] { ExpertLibrary::create(a->first); });
  add("ls", "Names of the experts", {"LIBRARY"}, 1, [a] { list(a->first); });
  add("show", "What is known about one expert, or a line each", {"LIBRARY", "NAME"}, 1,
      [a] { show(a->first, a->second); });
  add("verify", "Read everything and report each problem", {"LIBRARY", "NAME"}, 1,
      [a] { verify(a->first, a->second); });
  add("rm", "Remove an expert and what was computed from it", {"LIBRARY", "NAME"}, 2,
      [a] { ExpertLibrary::open(a->first).remove(a->second); });
  add("rename", "Rename an expert", {"LIBRARY", "FROM", "TO"}, 3, [a] {
    require_new_name(a->third, "expert name");
    ExpertLibrary::open(a->first).rename(a->second, a->third);
  });
  add("clone", "Copy every expert, with what was computed from it", {"SRC", "DST"}, 2, [a] {
    ExpertLibrary destination = ExpertLibrary::open_or_create(a->second);
    ExpertLibrary::open(a->first).clone_to(destination, a->if_exists());
  })->add_flag("--force", a->force, "Replace experts of the same name");
  Command* import = add(
      "import", "Add experts: a PEFT adapter folder, an mttl library or model folder, or one .ckpt of mttl",
      {"PATH", "LIBRARY"}, 2, [a] { import_experts(a->first, a->second, a->name, a->base, a->if_exists()); });
  import->add_option(
      "--name", a->name,
      "Name of the expert (default: the folder's, or what mttl says); of an mttl folder, the one "
      "expert to take (default: all)");
  import->add_option("--base", a->base,
                     "Base whose layers a PEFT adapter must fit (default: its own, if at hand)");
  import->add_flag("--force", a->force, "Replace experts of the same name");
  Command* out =
      add("export", "Write an expert as a PEFT adapter folder, or one or all as an mttl library folder",
          {"LIBRARY", "NAME", "DIR"}, 2,
          [a] { export_experts(a->first, a->second, a->third, a->format, a->base); });
  out->add_option("--format", a->format, "peft, or mttl; with mttl NAME may be left out: all experts")
      ->check(OneOf{{"peft", "mttl"}});
  out->add_option("--base", a->base,
                  "Base whose names of layers a PEFT folder gets (default: the expert's own, if at hand)");
}

}  // namespace quiver::program
