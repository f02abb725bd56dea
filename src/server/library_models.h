#pragma once

#include <mutex>
#include <optional>

#include "quiver/library.h"
#include "server/model_source.h"

namespace quiver {

// A base and the experts of one library as they are when the server starts. Routers are composed then, other
// choices when they are first asked for.
class LibraryModels : public ModelSource {
 public:
  // Throws as RoutedModel::compose_all.
  LibraryModels(std::shared_ptr<const BaseModel> base, std::optional<ExpertLibrary> library,
                const std::vector<RouterOptions>& routers, BeginOfText bos = BeginOfText::kAuto);

  std::shared_ptr<const BaseModel> base() const override { return base_.shared_base(); }
  std::vector<ServedModel> models() const override;
  RoutedModel model(const std::string& id) const override;
  RoutedModel routed(const RouterOptions& options) const override;
  RoutedModel mixture(const std::map<std::string, double>& weights) const override;

 private:
  const RoutedModel base_;
  const std::optional<ExpertLibrary> library_;
  const BeginOfText bos_;
  std::vector<std::string> routers_;             // as they were given
  std::map<std::string, RoutedModel> composed_;  // those, by name

  mutable std::mutex mutex_;                           // guards the rest
  mutable std::map<std::string, RoutedModel> others_;  // by to_json(RouterOptions)
};

}  // namespace quiver
