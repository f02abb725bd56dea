#include "tensor/torch_value.h"

namespace quiver {

const TorchValue* TorchValue::find(std::string_view key) const {
  const auto* entries = as<Dict>();
  if (entries == nullptr) return nullptr;
  for (const Entry& entry : *entries) {
    const auto* text = entry.key.as<std::string>();
    if (text != nullptr && *text == key) return &entry.value;
  }
  return nullptr;
}

std::string describe(const TorchValue& value) {
  constexpr const char* kNames[] = {"None",   "a truth value", "a whole number", "a number",
                                    "a text", "a tensor",      "a list",         "a dict"};
  static_assert(std::size(kNames) == std::variant_size_v<decltype(TorchValue::value)>);
  return kNames[value.value.index()];
}

}  // namespace quiver
