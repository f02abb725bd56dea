#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quiver/expert.h"

namespace quiver {

// What to do with an expert that would be overwritten.
enum class IfExists { kRefuse, kReplace };

// Artefact::expert_digest of what no weights were used for: statistics of an expert's prompts under the base
// alone. Such an artefact fits whatever the expert's weights are, and stays when the expert is replaced.
inline constexpr char kOfNoWeights[] = "none";

// Something computed for one expert and kept beside its weights, mostly from them: a prototype, a gate, an
// embedding.
struct Artefact {
  nlohmann::json settings;                    // what it was computed with
  std::map<std::string, at::Tensor> tensors;  // usually one a module, keyed by the module's path
  // expert_digest of the weights it was made from, or kOfNoWeights. put_artefact takes an empty one to mean
  // the weights now in the library; find_artefact fills it in.
  std::string expert_digest = {};
};

// One problem that verify() found.
struct VerifyFinding {
  std::string expert;   // empty: the library itself
  std::string problem;  // one sentence
};

// An expert with artefacts of it, all of one version.
struct ExpertWithArtefacts {
  Expert expert;
  std::map<std::string, Artefact> artefacts;  // by kind
};

// A handle onto a folder of experts: `local://DIR`, a bare path, or `virtual://NAME` (kept for the life of
// this process). Cheap to copy; it holds no state besides the place, so every call sees what other processes
// did.
//
// Threads and processes: any number may use one library at once. Readers take no lock and see each expert
// whole, in the version before or after a change; what one call returns of an expert, weights and artefacts,
// is of one version. Across experts nothing is promised: of several that are read one after the other, one
// may be seen before a change and the next after a later one. Writers take turns by a lock file; a writer
// that dies leaves every expert as it was.
//
// Every call may throw Error(kIo). A call that names an expert throws Error(kInvalidArgument) for a name that
// no expert can have (empty, over 200 bytes, leading '.', '/', control characters) and Error(kNotFound), with
// the nearest names, for one that is not there.
class ExpertLibrary {
 public:
  // Throws Error(kNotFound) where there is no library, Error(kUnsupported) for a scheme or a format version
  // that this build does not know.
  static ExpertLibrary open(const std::string& uri);
  // Throws Error(kAlreadyExists) where a library or a folder with other content stands.
  static ExpertLibrary create(const std::string& uri);
  static ExpertLibrary open_or_create(const std::string& uri);

  // The place with its scheme and, for local://, an absolute path.
  std::string uri() const { return uri_; }

  // Sorted bytewise. One read of the folder, whatever its size.
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const;
  // Reads one small JSON file, no tensors.
  ExpertInfo info(const std::string& name) const;
  // Throws as load_expert does, and Error(kCorruptFile) when the weights are not those that were added.
  Expert load(const std::string& name) const;
  // The same with the artefacts of some kinds, as far as they are there. Throws Error(kStale) when one was
  // made from other weights than those returned.
  ExpertWithArtefacts load_with_artefacts(const std::string& name, std::span<const std::string> kinds) const;

  // Adds under expert.info.name; kRefuse throws Error(kAlreadyExists) when it is taken. Replacing discards
  // the old expert's artefacts, but for those that kOfNoWeights says are not of its weights.
  void add(const Expert& expert, IfExists if_exists = IfExists::kRefuse);
  // Removes the expert with its artefacts.
  void remove(const std::string& name);
  // Artefacts go along. Throws Error(kAlreadyExists) when `to` is taken; a comma in it is refused as by
  // add(). After an error the expert has its old name.
  void rename(const std::string& from, const std::string& to);
  // Copies every expert with its artefacts. kRefuse throws Error(kAlreadyExists) before anything is copied
  // when the destination holds one of the names.
  void clone_to(ExpertLibrary& destination, IfExists if_exists) const;

  // Reads everything and returns each problem found; empty when all is well. `name`: one expert.
  std::vector<VerifyFinding> verify() const;
  std::vector<VerifyFinding> verify(const std::string& name) const;

  // Keeps an artefact of one kind ("arrow", "phatgoose", ...; rules as for names) per expert, replacing an
  // earlier one. Throws Error(kStale) when it carries a digest of other weights than the expert's.
  void put_artefact(const std::string& name, const std::string& kind, const Artefact& artefact);
  // Makes an artefact of each named expert with `make`, which several threads call at once, and keeps
  // them as put_artefact does; `expert_digest` is filled in here. Faster than put_artefact: writers
  // wait meanwhile, so that no expert is read twice. Where some fail, the others are kept and the first
  // failure in the order of `names` is thrown; each expert is loaded as by load().
  void make_artefacts(std::span<const std::string> names, const std::string& kind,
                      const std::function<Artefact(const Expert&)>& make);
  // Nothing when there is none. Throws Error(kStale) when the expert's weights are not those the artefact was
  // made from.
  std::optional<Artefact> find_artefact(const std::string& name, const std::string& kind) const;

 private:
  ExpertLibrary(std::string uri, std::filesystem::path root);

  std::filesystem::path expert_path(const std::string& name) const;

  std::string uri_;
  std::filesystem::path root_;
};

}  // namespace quiver
