#include "server/model_registry.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "core/json.h"
#include "core/log.h"
#include "core/strings.h"
#include "modular/bind_experts.h"
#include "protocol/api_error.h"
#include "routing/routers/router_method.h"
#include "storage/names.h"

namespace quiver {
namespace {

constexpr char kBase[] = "base", kExpert[] = "expert:";
constexpr std::size_t kMostKept = 32;  // models that requests described

// The library is not that of the version in hand any more.
struct LibraryChanged {};

std::string key_of(const std::string& name, const ExpertStamp& stamp) { return name + "\n" + stamp.weights; }

std::string text_of(const Error& error) {
  return error.hint().empty() ? error.what() : std::string(error.what()) + "; " + error.hint();
}

// "a=0.5,b=0.25" with every digit.
std::string mixture_text(const std::map<std::string, double>& weights) {
  std::string text;
  for (const auto& [name, weight] : weights) {
    char digits[64];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, weight);
    if (!text.empty()) text += ',';
    text.append(name).append("=").append(digits, end);
  }
  return text;
}

}  // namespace

ModelRegistry::ModelRegistry(std::shared_ptr<const BaseModel> base, std::optional<ExpertLibrary> library,
                             RegistryOptions options)
    : base_(std::move(base), options.bos),
      library_(std::move(library)),
      options_(std::move(options)),
      root_(options_.loading_root ? std::optional<LoadingRoot>(*options_.loading_root) : std::nullopt),
      experts_(base_.shared_base(), options_.expert_memory, [this] { forget_composed(); }) {
  const MutexLock lock(changing_);
  try {
    publish(make_version(nullptr), Composed::kForget);
  } catch (const ApiError& error) {
    throw Error(ErrorKind::kInvalidArgument, error.what(),
                "a router over all experts holds all of them: raise --expert-memory, or leave it out");
  }
}

std::shared_ptr<const ModelRegistry::Version> ModelRegistry::version() const {
  const MutexLock lock(mutex_);
  return version_;
}

std::vector<ServedModel> ModelRegistry::models() const {
  const std::shared_ptr<const Version> now = version();
  std::vector<ServedModel> models = {{kBase, ServedModel::Kind::kBase, base_.base().name(), ""}};
  for (const std::string& name : now->router_names)
    models.push_back(
        {name, ServedModel::Kind::kRouter, library_ ? library_->uri() : options_.composed_root, kBase});
  for (const auto& [name, stamp] : now->library)
    models.push_back({kExpert + name, ServedModel::Kind::kExpert, library_->uri() + "/" + name, kBase});
  for (const auto& [name, adapter] : now->adapters)
    models.push_back({name, ServedModel::Kind::kExpert, adapter.folder.string(), kBase});
  return models;
}

RoutedModel ModelRegistry::of_present(const std::function<RoutedModel(const Version&)>& make) const {
  for (int turn = 0; turn < 3; ++turn) {
    try {
      return make(*version());
    } catch (const LibraryChanged&) {
      renew();  // throws where the new version cannot be served
    }
  }
  throw ApiError(503, "the library changes faster than it can be read");
}

RoutedModel ModelRegistry::model(const std::string& id) const {
  if (id == kBase) return base_;
  return of_present([&](const Version& now) {
    if (const auto found = now.routers.find(id); found != now.routers.end()) return found->second;
    if (const auto found = now.adapters.find(id); found != now.adapters.end())
      return found->second.resident.alone;
    const std::string name = id.starts_with(kExpert) ? id.substr(std::string(kExpert).size()) : "";
    if (now.library.contains(name) || now.adapters.contains(name)) return expert(now, name).alone;
    std::vector<std::string> ids;
    for (const ServedModel& model : models()) ids.push_back(model.id);
    throw Error(ErrorKind::kNotFound, "there is no model '" + id + "'", did_you_mean(id, ids));
  });
}

RoutedModel ModelRegistry::routed(const RouterOptions& options) const {
  if (options.router == kBase) return base_;
  return of_present([&](const Version& now) { return compose_kept(now, options); });
}

RoutedModel ModelRegistry::mixture(const std::map<std::string, double>& weights) const {
  RouterOptions options = parse_router("mixture");
  options.bos = options_.bos;
  set_router_setting(options, "mixture", mixture_text(weights));
  return routed(options);
}

ResidentExperts::Resident ModelRegistry::expert(const Version& now, const std::string& name) const {
  if (const auto loaded = now.adapters.find(name); loaded != now.adapters.end())
    return loaded->second.resident;
  const auto found = now.library.find(name);
  if (found == now.library.end()) {
    std::vector<std::string> names;
    for (const auto& [known, stamp] : now.library) names.push_back(known);
    for (const auto& [known, adapter] : now.adapters) names.push_back(known);
    throw Error(ErrorKind::kNotFound, "there is no expert '" + name + "'", did_you_mean(name, names));
  }
  return experts_.get(key_of(name, found->second), options_.bos, [&] {
    try {
      Expert expert = library_->load(name);
      if (expert_stamp(*library_, name).weights == found->second.weights) return expert;
    } catch (const Error&) {
      if (expert_stamp(*library_, name).weights == found->second.weights) throw;
    }
    throw LibraryChanged();
  });
}

RoutedModel ModelRegistry::compose(const Version& now, const RouterOptions& options,
                                   const MayLeaveOut& may_leave_out,
                                   std::map<std::string, std::string>& left_out) const {
  const RouterMethod& method = router_method(options.router);
  std::set<std::string> names;
  if (method.named_experts != nullptr) {
    for (const std::string& name : method.named_experts(options)) names.insert(name);
  } else {
    for (const auto& [name, stamp] : now.library) names.insert(name);
  }
  const std::string of = "router '" + router_name(options) + "'";
  if (options_.composed && (names.empty() || scales_of(options) != ExpertScales::kOwn)) {
    throw Error(ErrorKind::kNotFound,
                of + " cannot be had here: the server has a composed model, whose router is '" +
                    router_name(options_.composed->router()) + "'");
  }
  if (names.empty()) {
    throw Error(ErrorKind::kNotFound, of + " needs experts, and there is none",
                library_ ? "add experts to " + library_->uri() : "start the server with --library");
  }
  if (scales_of(options) != ExpertScales::kOwn)  // mttl's, whose experts are laid out otherwise
    return RoutedModel::compose(base_.shared_base(), *library_, options);
  const std::vector<std::string> kinds = router_artefacts(options);
  LoadedExperts loaded;
  std::vector<std::shared_ptr<const BoundExpert>> bound;
  for (const std::string& name : names) {
    if (kinds.empty()) {
      bound.push_back(expert(now, name).bound);
      loaded.artefacts.emplace_back();
      continue;
    }
    try {
      ExpertWithArtefacts one = library_->load_with_artefacts(name, kinds);
      if (expert_stamp(*library_, name) != now.library.at(name)) throw LibraryChanged();
      bound.push_back(
          experts_
              .get(key_of(name, now.library.at(name)), options_.bos, [&] { return std::move(one.expert); })
              .bound);
      loaded.artefacts.push_back(std::move(one.artefacts));
    } catch (const Error& error) {
      if (expert_stamp(*library_, name) != now.library.at(name)) throw LibraryChanged();
      if (error.kind() != ErrorKind::kStale || !may_leave_out(name)) throw;
      left_out[name] = of + " is without expert '" + name + "': " + text_of(error);
    }
  }
  loaded.sets[ExpertScales::kOwn] = ExpertSet(std::move(bound));
  check_tasks(loaded.sets[ExpertScales::kOwn]);
  return RoutedModel::compose_loaded(base_.shared_base(), loaded, options, library_ ? library_->uri() : "");
}

RoutedModel ModelRegistry::compose_kept(const Version& now, const RouterOptions& options) const {
  const std::string key = dump_json(to_json(options));
  const auto composed = now.routers.find(router_name(options));
  if (composed != now.routers.end() && dump_json(to_json(composed->second.router())) == key)
    return composed->second;
  std::uint64_t forgets = 0;
  {
    const MutexLock lock(mutex_);
    forgets = forgets_;
    if (const auto found = kept_.find(key); found != kept_.end()) {
      found->second.last_use = ++uses_;
      return found->second.model;
    }
  }
  std::map<std::string, std::string> left_out;
  const auto make = [&] {
    // Where the library's vectors are in memory already, nothing is read.
    std::optional<RoutedModel> mixed;
    if (composed != now.routers.end()) mixed = composed->second.with_mixing(options);
    return mixed ? *mixed
                 : compose(
                       now, options, [](const std::string&) { return true; }, left_out);
  };
  RoutedModel model = make();
  for (const auto& [name, reason] : left_out) log_warning(reason);
  const MutexLock lock(mutex_);
  if (forgets != forgets_) return model;  // experts may be others by now
  kept_.insert_or_assign(key, Kept{model, ++uses_});
  if (kept_.size() > kMostKept) {
    kept_.erase(std::ranges::min_element(kept_, {}, [](const auto& entry) { return entry.second.last_use; }));
  }
  return model;
}

std::shared_ptr<const ModelRegistry::Version> ModelRegistry::make_version(const Version* before) const {
  for (int turn = 0; turn < 3; ++turn) {
    auto next = std::make_shared<Version>();
    if (library_) next->library = library_stamps(*library_);
    if (before != nullptr) next->adapters = before->adapters;
    // What was served so from the start goes on; what is new has to fit.
    const auto may_leave_out = [&](const std::string& name) {
      return before == nullptr ||
             (before->left_out.contains(name) && before->library.at(name) == next->library.at(name));
    };
    try {
      if (options_.composed) {
        const std::string name = router_name(options_.composed->router());
        if (name != kBase && next->routers.emplace(name, *options_.composed).second)
          next->router_names.push_back(name);
      }
      for (const RouterOptions& router : options_.routers) {
        const std::string name = router_name(router);
        if (name == kBase || next->routers.contains(name)) continue;
        next->routers.emplace(name, compose(*next, router, may_leave_out, next->left_out));
        if (!name.starts_with(kExpert)) next->router_names.push_back(name);
      }
      read_pinned(*next);
      if (!library_ || next->library == library_stamps(*library_)) return next;
    } catch (const LibraryChanged&) {
    }
  }
  throw ApiError(503, "the library changes faster than it can be read");
}

void ModelRegistry::read_pinned(const Version& now) const {
  for (const std::string& name : options_.pinned) {
    expert(now, name);
    experts_.set_pinned(key_of(name, now.library.at(name)), true);
  }
}

bool ModelRegistry::reload() { return renew(); }

bool ModelRegistry::renew() const {
  const MutexLock lock(changing_);
  const std::shared_ptr<const Version> before = version();
  const auto fail = [&](const std::string& problem) {
    const MutexLock guard(mutex_);
    if (reload_problem_ != problem) log_warning(problem);
    reload_problem_ = problem;
  };
  const std::string start = "the library changed and cannot be served as it is: ";
  try {
    if (!library_ || library_stamps(*library_) == before->library) {
      const MutexLock guard(mutex_);
      reload_problem_.clear();
      return false;
    }
    publish(make_version(before.get()), Composed::kForget);
    const MutexLock guard(mutex_);
    reload_problem_.clear();
  } catch (const Error& error) {
    fail(start + text_of(error));
    throw;
  } catch (const std::exception& error) {
    fail(start + error.what());
    throw;
  }
  const std::shared_ptr<const Version> now = version();
  std::set<std::string> wanted;
  for (const auto& [name, stamp] : now->library) wanted.insert(key_of(name, stamp));
  for (const auto& [name, adapter] : now->adapters) wanted.insert(adapter.key);
  for (const auto& [name, stamp] : before->library) {
    if (!wanted.contains(key_of(name, stamp))) experts_.set_pinned(key_of(name, stamp), false);
  }
  experts_.keep([&](const std::string& key) { return wanted.contains(key); });
  log_info("serves the library's new version: " + std::to_string(now->library.size()) + " experts");
  return true;
}

void ModelRegistry::check_free_name(const Version& now, const std::string& name, bool replace) const {
  try {
    require_new_name(name, "name of an adapter");
  } catch (const Error& error) {
    throw ApiError(400, text_of(error), "lora_name");
  }
  const bool is_ours = name == kBase || name.starts_with(kExpert) || now.routers.contains(name);
  if (is_ours || now.library.contains(name)) {
    throw ApiError(
        400, "the name '" + name + "' is that of " + (is_ours ? "a model" : "an expert") + " of this server",
        "lora_name");
  }
  if (!replace && now.adapters.contains(name)) {
    throw ApiError(400, "the adapter '" + name + "' has been loaded already; unload it, or give load_inplace",
                   "lora_name");
  }
}

void ModelRegistry::load_adapter(const std::string& name, const std::string& path, bool replace) {
  if (!root_) throw ApiError(403, "this server loads no adapters; start it with --allow-loading");
  const MutexLock lock(changing_);
  const std::shared_ptr<const Version> before = version();
  check_free_name(*before, name, replace);
  Adapter adapter{.key = "adapter\n" + std::to_string(++loads_), .folder = {}, .resident = {nullptr, base_}};
  try {
    adapter.folder = root_->adapter(path);
    adapter.resident = experts_.get(adapter.key, options_.bos, [&] {
      Expert expert = load_expert(adapter.folder);
      expert.info.name = name;
      return expert;
    });
  } catch (const Error& error) {
    const bool is_absent = error.kind() == ErrorKind::kNotFound;
    throw ApiError(is_absent ? 404 : error.kind() == ErrorKind::kIo ? 500 : 400, text_of(error), "lora_path");
  }
  experts_.set_pinned(adapter.key, true);
  auto next = std::make_shared<Version>(*before);
  const auto old = before->adapters.find(name);
  next->adapters.insert_or_assign(name, std::move(adapter));
  publish(std::move(next), old == before->adapters.end() ? Composed::kKeep : Composed::kForget);
  if (old != before->adapters.end()) experts_.forget(old->second.key);
  log_info("loaded the adapter '" + name + "'");
}

void ModelRegistry::unload_adapter(const std::string& name) {
  const MutexLock lock(changing_);
  const std::shared_ptr<const Version> before = version();
  const auto found = before->adapters.find(name);
  if (found == before->adapters.end()) {
    const bool is_of_library = before->library.contains(name);
    throw ApiError(404,
                   "the adapter '" + escape_controls(name) + "' was not loaded" +
                       (is_of_library ? "; the expert of that name is the library's" : ""),
                   "lora_name");
  }
  auto next = std::make_shared<Version>(*before);
  next->adapters.erase(name);
  publish(std::move(next), Composed::kForget);
  experts_.forget(found->second.key);
  log_info("unloaded the adapter '" + name + "'");
}

void ModelRegistry::publish(std::shared_ptr<const Version> next, Composed composed) const {
  std::map<std::string, Kept> dropped;  // freed without the lock
  const MutexLock lock(mutex_);
  version_.swap(next);
  if (composed == Composed::kKeep) return;
  kept_.swap(dropped);
  ++forgets_;
}

void ModelRegistry::forget_composed() const {
  std::map<std::string, Kept> dropped;
  const MutexLock lock(mutex_);
  kept_.swap(dropped);
}

std::vector<std::string> ModelRegistry::problems() const {
  const MutexLock lock(mutex_);
  std::vector<std::string> problems;
  for (const auto& [name, reason] : version_->left_out) problems.push_back(reason);
  if (!reload_problem_.empty()) problems.push_back(reload_problem_);
  return problems;
}

}  // namespace quiver
