#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <exception>

#include "core/files.h"
#include "expert/expert_files.h"
#include "library/artefact_file.h"
#include "library/layout.h"
#include "library/names.h"
#include "library/write_turn.h"
#include "quiver/error.h"
#include "quiver/library.h"
#include "storage/snapshot.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

Error stale(const std::string& name, const std::string& kind) {
  return {ErrorKind::kStale,
          "the artefact '" + kind + "' of expert '" + name + "' was made from other weights",
          "compute it again"};
}

// Moves a prepared file to its place in the expert's folder.
void publish_artefact(const fs::path& prepared, const fs::path& expert, const std::string& kind) {
  const fs::path target = artefact_path(expert, kind);
  std::error_code error;
  fs::create_directory(target.parent_path(), error);
  if (!error) fs::rename(prepared, target, error);
  if (error) {
    throw Error(ErrorKind::kIo, "cannot write '" + target.string() + "': " + error.message());
  }
  sync_path(target.parent_path());
  sync_path(expert);
}

}  // namespace

void ExpertLibrary::put_artefact(const std::string& name, const std::string& kind, const Artefact& artefact) {
  require_valid_name(kind, "artefact kind");
  const WriteTurn turn(root_);
  const fs::path expert = expert_path(name);
  Artefact signed_artefact = artefact;
  signed_artefact.expert_digest = expert_digest(load_expert(expert));
  if (!artefact.expert_digest.empty() && artefact.expert_digest != signed_artefact.expert_digest) {
    throw stale(name, kind);
  }
  const fs::path prepared = turn.stage() / "artefact.safetensors";
  write_artefact_file(prepared, signed_artefact);
  publish_artefact(prepared, expert, kind);
}

void ExpertLibrary::make_artefacts(std::span<const std::string> names, const std::string& kind,
                                   const std::function<Artefact(const Expert&)>& make) {
  require_valid_name(kind, "artefact kind");
  const WriteTurn turn(root_);
  const auto make_one = [&](std::size_t index) {
    const Expert expert = load(names[index]);
    Artefact artefact = make(expert);
    artefact.expert_digest = expert_digest(expert);
    const fs::path prepared = turn.stage() / (std::to_string(index) + ".safetensors");
    write_artefact_file(prepared, artefact);
    publish_artefact(prepared, root_ / names[index], kind);
  };
  std::vector<std::exception_ptr> failures(names.size());
  at::parallel_for(0, static_cast<std::int64_t>(names.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    const at::NoGradGuard no_grad;
    for (std::int64_t i = begin; i < end; ++i) {
      try {
        make_one(static_cast<std::size_t>(i));
      } catch (...) {
        failures[static_cast<std::size_t>(i)] = std::current_exception();
      }
    }
  });
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

std::optional<Artefact> ExpertLibrary::find_artefact(const std::string& name, const std::string& kind) const {
  require_valid_name(name, "expert name");
  require_valid_name(kind, "artefact kind");
  std::optional<Artefact> artefact;
  read_snapshot(root_ / name, [&] {
    artefact.reset();
    const fs::path expert = expert_path(name);
    const fs::path file = artefact_path(expert, kind);
    std::error_code ignored;
    if (!fs::exists(file, ignored)) return;
    artefact = read_artefact_file(file);
    if (artefact->expert_digest != expert_digest(load_expert(expert))) throw stale(name, kind);
  });
  return artefact;
}

}  // namespace quiver
