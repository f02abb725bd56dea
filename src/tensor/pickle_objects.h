#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "tensor/pickle.h"

namespace quiver {

// The name in module torch of the storage class for an element type ("FloatStorage"); nothing where torch has
// none.
std::optional<std::string_view> storage_class(at::ScalarType dtype);

// What the names, calls and persistent ids of a pickle mean, for the classes of PickleCallable: the part of
// parse_pickle that knows torch and numpy. Adds to the nodes of the pickle under construction; holds
// references to both. Errors as for parse_pickle.
class PickleObjects {
 public:
  PickleObjects(std::deque<PickleNode>& nodes, const std::filesystem::path& path)
      : nodes_(nodes), path_(path) {}

  PickleGlobal global(std::string_view module, std::string_view name) const;
  // callable(*arguments): a node that may be one of the arguments.
  PickleId call(PickleId callable, PickleId arguments);
  // object.__setstate__(state).
  void set_state(PickleId object, PickleId state);
  PickleStorage storage(PickleId persistent_id) const;

  PickleId add(PickleNode node);

 private:
  template <typename T>
  const T* as(PickleId id) const {
    return std::get_if<T>(&nodes_[id]);
  }
  const PickleList& list(PickleId id, const char* what) const;
  std::int64_t integer(PickleId id, const char* what) const;
  std::string_view text(PickleId id, const char* what) const;
  std::vector<std::int64_t> integers(PickleId id, const char* what) const;
  const PickleList& arguments(PickleId id, std::size_t least, std::size_t most, const char* what) const;

  PickleId make_ordered_dict(PickleId arguments);
  PickleId make_tensor(PickleId arguments, bool typed);
  PickleId make_numpy_dtype(PickleId arguments);
  PickleId make_numpy_scalar(PickleId arguments);

  std::deque<PickleNode>& nodes_;
  const std::filesystem::path& path_;
};

}  // namespace quiver
