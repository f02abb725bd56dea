#include <ATen/core/grad_mode.h>

#include <exception>

#include "core/files.h"
#include "expert/expert_files.h"
#include "library/artefact_file.h"
#include "library/write_turn.h"
#include "quiver/error.h"
#include "quiver/library.h"
#include "storage/layout.h"
#include "storage/names.h"
#include "storage/snapshot.h"
#include "tensor/jobs.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

// More than there are cores: most of an expert's time is waiting for the disk to flush its artefact.
constexpr std::size_t kExpertsAtOnce = 16;

Error stale(const std::string& name, const std::string& kind) {
  return {ErrorKind::kStale,
          "the artefact '" + kind + "' of expert '" + name + "' was made from other weights",
          "compute it again"};
}

// What is there of an artefact.
std::optional<Artefact> read_artefact(const fs::path& expert, const std::string& kind) {
  const fs::path file = artefact_path(expert, kind);
  if (!path_exists(file)) return std::nullopt;
  return read_artefact_file(file);
}

// Writes an artefact whole, in its expert's own folder: what several threads write then shares no folder,
// which the system would flush for one of them at a time. REQUIRES: the caller holds the library's WriteLock.
void publish_artefact(const Artefact& artefact, const fs::path& expert, const std::string& kind) {
  const fs::path target = artefact_path(expert, kind);
  std::error_code error;
  const bool created = fs::create_directory(target.parent_path(), error);
  for (const auto& entry : fs::directory_iterator(target.parent_path(), error)) {
    // Left by a writer of 0.1.0 that died.
    if (entry.path().filename().string().starts_with(kFirstTemporaries)) fs::remove(entry.path(), error);
  }
  write_artefact_file(target, artefact);
  if (created) sync_path(expert);
}

}  // namespace

void ExpertLibrary::put_artefact(const std::string& name, const std::string& kind, const Artefact& artefact) {
  require_valid_name(kind, "artefact kind");
  const WriteTurn turn(root_);
  const fs::path expert = expert_path(name);
  Artefact signed_artefact = artefact;
  if (artefact.expert_digest != kOfNoWeights) {
    signed_artefact.expert_digest = expert_digest(load_expert(expert));
    if (!artefact.expert_digest.empty() && artefact.expert_digest != signed_artefact.expert_digest)
      throw stale(name, kind);
  }
  publish_artefact(signed_artefact, expert, kind);
}

void ExpertLibrary::make_artefacts(std::span<const std::string> names, const std::string& kind,
                                   const std::function<Artefact(const Expert&)>& make) {
  require_valid_name(kind, "artefact kind");
  if (names.empty()) return;  // also where nothing may be written
  const WriteTurn turn(root_);
  const auto make_one = [&](std::size_t index) {
    const Expert expert = load(names[index]);
    Artefact artefact = make(expert);
    artefact.expert_digest = expert_digest(expert);
    publish_artefact(artefact, root_ / names[index], kind);
  };
  std::vector<std::exception_ptr> failures(names.size());
  run_jobs(names.size(), {.at_once = kExpertsAtOnce}, [&](std::size_t index) {
    const at::NoGradGuard no_grad;  // thread-local
    try {
      make_one(index);
    } catch (...) {
      failures[index] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

ExpertWithArtefacts ExpertLibrary::load_with_artefacts(const std::string& name,
                                                       std::span<const std::string> kinds) const {
  require_valid_name(name, "expert name");
  ExpertWithArtefacts found;
  read_snapshot(root_ / name, [&] {
    found = {};
    const fs::path path = expert_path(name);
    found.expert = load_expert(path);
    check_weights_digest(path);
    for (const std::string& kind : kinds) {
      if (std::optional<Artefact> artefact = read_artefact(path, kind))
        found.artefacts.emplace(kind, *std::move(artefact));
    }
    if (found.artefacts.empty()) return;
    const std::string digest = expert_digest(found.expert);
    for (const auto& [kind, artefact] : found.artefacts) {
      if (!fits_weights(artefact, digest)) throw stale(name, kind);
    }
  });
  found.expert.info.name = name;
  return found;
}

std::optional<Artefact> ExpertLibrary::find_artefact(const std::string& name, const std::string& kind) const {
  require_valid_name(name, "expert name");
  require_valid_name(kind, "artefact kind");
  std::optional<Artefact> artefact;
  read_snapshot(root_ / name, [&] {
    const fs::path expert = expert_path(name);
    artefact = read_artefact(expert, kind);
    if (!artefact || artefact->expert_digest == kOfNoWeights) return;
    if (artefact->expert_digest != expert_digest(load_expert(expert))) throw stale(name, kind);
  });
  return artefact;
}

}  // namespace quiver
