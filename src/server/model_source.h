#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "quiver/routed_model.h"

namespace quiver {

// A name that requests may give as their model.
struct ServedModel {
  enum class Kind { kBase, kRouter, kExpert };

  std::string id;  // "base", "arrow", "expert:NAME"
  Kind kind = Kind::kBase;
  std::string root;    // where it comes from: the base's file, the library, the expert's folder
  std::string parent;  // the id of what it stands on; empty for the base
};

// The models that a server has. Any number of threads may use one; what it returns stays as it is while the
// source goes on changing.
class ModelSource {
 public:
  virtual ~ModelSource() = default;

  virtual std::shared_ptr<const BaseModel> base() const = 0;

  // The base first, then routers and experts.
  virtual std::vector<ServedModel> models() const = 0;
  // Throws Error(kNotFound) with near names, and what composing it throws.
  virtual RoutedModel model(const std::string& id) const = 0;
  // The experts at hand under this router. Throws as RoutedModel::compose.
  virtual RoutedModel routed(const RouterOptions& options) const = 0;
  // These experts, each with this weight for every token and slot. Throws Error(kNotFound, kUnsupported).
  virtual RoutedModel mixture(const std::map<std::string, double>& weights) const = 0;
  // What is amiss with them, in sentences; for /health.
  virtual std::vector<std::string> problems() const { return {}; }
};

}  // namespace quiver
