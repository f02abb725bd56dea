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
