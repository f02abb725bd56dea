#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "quiver/library.h"
#include "server/library_stamps.h"
#include "server/loading_root.h"
#include "server/model_source.h"
#include "server/resident_experts.h"

namespace quiver {

struct RegistryOptions {
  std::vector<RouterOptions> routers = {};  // composed at the start, and when the library changes
  BeginOfText bos = BeginOfText::kAuto;
  std::int64_t expert_memory = 0;                          // bytes of experts in memory at most; 0: no bound
  std::vector<std::string> pinned = {};                    // experts that are read at the start and stay
  std::optional<std::filesystem::path> loading_root = {};  // absent: requests load nothing
  // A model that was composed already, over the same base; instead of a library and `routers`.
  std::optional<RoutedModel> composed = {};
  std::string composed_root = {};  // where it comes from
};

// The models of a server: `base`, routers over a library, each of its experts as `expert:NAME`, or one
// composed model under its router's name, and adapters that requests loaded. Experts are read when they are
// first asked for (ResidentExperts); a router over all needs all.
//
// What is served is one version of the library at a time: who asks sees it whole, and reload() puts the next
// one in its place once it is complete. Models that were given out stay what they are. Thread-safe.
class ModelRegistry : public ModelSource {
 public:
  // Reads what the routers and `pinned` need. An expert whose artefact is of other weights is left out of the
  // routers that need it, which problems() says. Throws as RoutedModel::compose, and Error(kInvalidArgument)
  // where expert_memory is too small for that.
  ModelRegistry(std::shared_ptr<const BaseModel> base, std::optional<ExpertLibrary> library,
                RegistryOptions options);

  std::shared_ptr<const BaseModel> base() const override { return base_.shared_base(); }
  std::vector<ServedModel> models() const override;
  RoutedModel model(const std::string& id) const override;
  RoutedModel routed(const RouterOptions& options) const override;
  RoutedModel mixture(const std::map<std::string, double>& weights) const override;

  // Serves a PEFT adapter or an expert below the loading root as `name`. `replace`: one of that name may be
  // there already; who uses it keeps it. Throws ApiError: 403 without a loading root; 400 for a name that is
  // taken or no name, a path outside of the root, an adapter that is broken, of another base, or has a tensor
  // that would do nothing; 404 for a path that is not there; 503 without room.
  void load_adapter(const std::string& name, const std::string& path, bool replace);
  // Throws ApiError 404 for a name that was not loaded.
  void unload_adapter(const std::string& name);

  // Looks at the library and serves what it holds now, if that is another version; says whether. Where it
  // cannot be served (an expert that cannot be read, an artefact of other weights), the old one goes on,
  // problems() says why, and the error is thrown.
  bool reload();

  // Sentences: what is left out, and why the last reload failed.
  std::vector<std::string> problems() const override;
  const ResidentExperts& experts() const { return experts_; }

 private:
  struct Adapter {
    std::string key;  // of experts_
    std::filesystem::path folder;
    ResidentExperts::Resident resident;
  };
  // What is served. Immutable.
  struct Version {
    std::map<std::string, ExpertStamp> library = {};
    std::vector<std::string> router_names = {};
    std::map<std::string, RoutedModel> routers = {};
    std::map<std::string, Adapter> adapters = {};
    std::map<std::string, std::string> left_out =
        {};  // experts that some routers do not have, with the reason
  };
  // Whether an expert with an artefact of other weights may be left out.
  using MayLeaveOut = std::function<bool(const std::string& expert)>;

  std::shared_ptr<const Version> version() const;
  // make(version), once more with the next one where the library turned out to be another by now.
  RoutedModel of_present(const std::function<RoutedModel(const Version&)>& make) const;
  ResidentExperts::Resident expert(const Version& version, const std::string& name) const;
  // `left_out` takes what is left out, with the reason.
  RoutedModel compose(const Version& version, const RouterOptions& options, const MayLeaveOut& may_leave_out,
                      std::map<std::string, std::string>& left_out) const;
  RoutedModel compose_kept(const Version& version, const RouterOptions& options) const;
  std::shared_ptr<const Version> make_version(const Version* before) const QUIVER_REQUIRES(changing_);
  void read_pinned(const Version& version) const;
  void check_free_name(const Version& version, const std::string& name, bool replace) const;
  bool renew() const QUIVER_EXCLUDES(changing_);
  enum class Composed { kKeep, kForget };
  void publish(std::shared_ptr<const Version> version, Composed composed) const QUIVER_REQUIRES(changing_);
  void forget_composed() const QUIVER_EXCLUDES(mutex_);

  const RoutedModel base_;
  const std::optional<ExpertLibrary> library_;
  const RegistryOptions options_;
  const std::optional<LoadingRoot> root_;

  mutable Mutex changing_;  // held while a version is made
  std::uint64_t loads_ QUIVER_GUARDED_BY(changing_) = 0;

  mutable Mutex mutex_;  // held for moments, and never while experts_ is called
  mutable std::shared_ptr<const Version> version_ QUIVER_GUARDED_BY(mutex_);
  mutable std::string reload_problem_ QUIVER_GUARDED_BY(mutex_);
  // Models that requests described, by their options.
  struct Kept {
    RoutedModel model;
    std::uint64_t last_use = 0;
  };
  mutable std::map<std::string, Kept> kept_ QUIVER_GUARDED_BY(mutex_);
  mutable std::uint64_t uses_ QUIVER_GUARDED_BY(mutex_) = 0;
  mutable std::uint64_t forgets_ QUIVER_GUARDED_BY(mutex_) = 0;

  mutable ResidentExperts experts_;  // has its own lock, under which it calls forget_composed()
};

}  // namespace quiver
