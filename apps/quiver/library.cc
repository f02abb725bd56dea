#include "quiver/library.h"

#include <cstdio>
#include <memory>

#include "commands.h"
#include "core/json.h"
#include "core/strings.h"

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
                finding.problem.c_str());
  }
  if (!findings.empty()) {
    throw Error(ErrorKind::kCorruptFile, std::to_string(findings.size()) + " problems in " + library.uri());
  }
  std::printf("%zu experts verified\n", only.empty() ? library.names().size() : std::size_t{1});
}

void import_expert(const std::string& path, const std::string& uri, const std::string& name,
                   IfExists if_exists) {
  Expert expert = load_expert(path);
  if (!name.empty()) expert.info.name = name;
  ExpertLibrary library = ExpertLibrary::open_or_create(uri);
  library.add(expert, if_exists);
}

}  // namespace

void add_library(CLI::App& program) {
  struct Arguments {
    std::string first, second, third, name;
    bool force = false;
    IfExists if_exists() const { return force ? IfExists::kReplace : IfExists::kRefuse; }
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* library = program.add_subcommand("library", "Keep a library of experts");
  library->require_subcommand(1);
  const auto add = [&](const char* command, const char* what, std::vector<const char*> names,
                       std::size_t required, std::function<void()> action) {
    CLI::App* sub = library->add_subcommand(command, what);
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
  add("rename", "Rename an expert", {"LIBRARY", "FROM", "TO"}, 3,
      [a] { ExpertLibrary::open(a->first).rename(a->second, a->third); });
  add("clone", "Copy every expert, with what was computed from it", {"SRC", "DST"}, 2, [a] {
    ExpertLibrary destination = ExpertLibrary::open_or_create(a->second);
    ExpertLibrary::open(a->first).clone_to(destination, a->if_exists());
  })->add_flag("--force", a->force, "Replace experts of the same name");
  CLI::App* import = add("import", "Add a PEFT adapter folder as an expert", {"PATH", "LIBRARY"}, 2,
                         [a] { import_expert(a->first, a->second, a->name, a->if_exists()); });
  import->add_option("--name", a->name, "Name of the expert (default: the folder's)");
  import->add_flag("--force", a->force, "Replace an expert of the same name");
  add("export", "Write an expert as a PEFT adapter folder", {"LIBRARY", "NAME", "DIR"}, 3,
      [a] { save_expert(ExpertLibrary::open(a->first).load(a->second), a->third); });
}

}  // namespace quiver::program
