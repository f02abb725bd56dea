#include "server/library_models.h"

#include "core/json.h"
#include "core/strings.h"

namespace quiver {
namespace {

constexpr char kBase[] = "base", kExpert[] = "expert:";

}  // namespace

LibraryModels::LibraryModels(std::shared_ptr<const BaseModel> base, std::optional<ExpertLibrary> library,
                             const std::vector<RouterOptions>& routers, BeginOfText bos)
    : base_(std::move(base), bos), library_(std::move(library)), bos_(bos) {
  std::vector<RouterOptions> over_library;
  for (const RouterOptions& router : routers) {
    if (router.router != kBase) over_library.push_back(router);
  }
  if (over_library.empty()) return;
  std::vector<RoutedModel> models =
      RoutedModel::compose_all(base_.shared_base(), library_.value(), over_library);
  for (std::size_t i = 0; i < models.size(); ++i) {
    const std::string name = router_name(over_library[i]);
    if (composed_.emplace(name, std::move(models[i])).second) routers_.push_back(name);
  }
}

std::vector<ServedModel> LibraryModels::models() const {
  std::vector<ServedModel> models = {{kBase, ServedModel::Kind::kBase, base_.base().name(), ""}};
  for (const std::string& name : routers_) {
    if (!name.starts_with(kExpert))
      models.push_back({name, ServedModel::Kind::kRouter, library_->uri(), kBase});
  }
  if (!library_) return models;
  for (const std::string& name : library_->names())
    models.push_back({kExpert + name, ServedModel::Kind::kExpert, library_->uri() + "/" + name, kBase});
  return models;
}

RoutedModel LibraryModels::model(const std::string& id) const {
  if (id == kBase) return base_;
  if (const auto found = composed_.find(id); found != composed_.end()) return found->second;
  if (library_ && id.starts_with(kExpert)) {
    RouterOptions options = parse_router(id);
    options.bos = bos_;
    return routed(options);
  }
  std::vector<std::string> ids;
  for (const ServedModel& model : models()) ids.push_back(model.id);
  throw Error(ErrorKind::kNotFound, "there is no model '" + id + "'", did_you_mean(id, ids));
}

RoutedModel LibraryModels::routed(const RouterOptions& options) const {
  if (options.router == kBase) return base_;
  if (!library_)
    throw Error(ErrorKind::kNotFound,
                "router '" + router_name(options) + "' needs experts, and there is no library",
                "start the server with --library");
  const std::string key = dump_json(to_json(options)) + options.expert;
  const std::lock_guard lock(mutex_);
  const auto found = others_.find(key);
  if (found != others_.end()) return found->second;
  return others_.emplace(key, RoutedModel::compose(base_.shared_base(), *library_, options)).first->second;
}

RoutedModel LibraryModels::mixture(const std::map<std::string, double>&) const {
  throw Error(ErrorKind::kUnsupported, "a request cannot give the experts' weights yet");
}

}  // namespace quiver
