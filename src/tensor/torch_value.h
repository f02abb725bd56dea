#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace quiver {

// A value of a file that torch.save wrote. What Python keeps apart and a reader of weights does not need
// apart stands together: list, tuple, set and torch.Size are lists; dict and OrderedDict are dicts in the
// order of the file; str, bytes, torch.device and torch.dtype are text; nn.Parameter, Tensor and
// numpy.ndarray are tensors.
struct TorchValue {
  using List = std::vector<TorchValue>;
  struct Entry;
  using Dict = std::vector<Entry>;

  std::variant<std::monostate, bool, std::int64_t, double, std::string, at::Tensor, List, Dict> value;

  template <typename T>
  const T* as() const {
    return std::get_if<T>(&value);
  }

  // The value at a text key of a dict; nothing where the key is absent or this is no dict.
  const TorchValue* find(std::string_view key) const;
};

struct TorchValue::Entry {
  TorchValue key;
  TorchValue value;
};

// What a value is, for messages: "a list".
std::string describe(const TorchValue& value);

}  // namespace quiver
