#include "tensor/dtype.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "quiver/error.h"

namespace quiver {
namespace {

struct NamedType {
  std::string_view name;
  at::ScalarType dtype;
};

// In the order of the safetensors library's Dtype enumeration, which decides the layout of files.
constexpr NamedType kTypes[] = {
    {"BOOL", at::kBool},
    {"U8", at::kByte},
    {"I8", at::kChar},
    {"F8_E5M2", at::kFloat8_e5m2},
    {"F8_E4M3", at::kFloat8_e4m3fn},
    {"I16", at::kShort},
    {"U16", at::kUInt16},
    {"F16", at::kHalf},
    {"BF16", at::kBFloat16},
    {"I32", at::kInt},
    {"U32", at::kUInt32},
    {"F32", at::kFloat},
    {"F64", at::kDouble},
    {"I64", at::kLong},
    {"U64", at::kUInt64},
};

const NamedType* find_type(at::ScalarType dtype) {
  const auto found = std::ranges::find(kTypes, dtype, &NamedType::dtype);
  return found == std::end(kTypes) ? nullptr : &*found;
}

}  // namespace

std::optional<at::ScalarType> dtype_from_name(std::string_view name) {
  const auto found = std::ranges::find(kTypes, name, &NamedType::name);
  if (found == std::end(kTypes)) return std::nullopt;
  return found->dtype;
}

std::string dtype_name(at::ScalarType dtype) {
  const NamedType* type = find_type(dtype);
  if (type == nullptr) {
    throw Error(ErrorKind::kUnsupported,
                std::string("tensors of type ") + at::toString(dtype) + " cannot be stored",
                "convert the tensor to float32 first");
  }
  return std::string(type->name);
}

int dtype_layout_rank(at::ScalarType dtype) { return static_cast<int>(std::end(kTypes) - find_type(dtype)); }

std::optional<std::uint64_t> element_count(std::span<const std::int64_t> shape) {
  constexpr std::int64_t kMaxElements = std::numeric_limits<std::int64_t>::max() / 16;
  std::int64_t product = 1;
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (size == 0) {
      empty = true;
      continue;
    }
    if (__builtin_mul_overflow(product, size, &product) || product > kMaxElements) return std::nullopt;
  }
  return empty ? 0 : static_cast<std::uint64_t>(product);
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

}  // namespace quiver
