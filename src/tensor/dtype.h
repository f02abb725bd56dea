#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace quiver {

// The element types of safetensors that LibTorch has too, by the format's names ("F32", "BF16", ...).
std::optional<at::ScalarType> dtype_from_name(std::string_view name);

// Throws Error(kUnsupported) naming the type when the format has no name for it.
std::string dtype_name(at::ScalarType dtype);

// Place of a type in the order in which the safetensors library lays tensors out: smaller ranks come first.
// REQUIRES: dtype_name(dtype) does not throw.
int dtype_layout_rank(at::ScalarType dtype);

// Product of the dimensions, or nothing when one is negative or when the product (zeros counted as ones,
// because strides are computed so) times 16 bytes does not fit in 63 bits.
std::optional<std::uint64_t> element_count(std::span<const std::int64_t> shape);

// "[2, 3]"
std::string shape_text(std::span<const std::int64_t> shape);

}  // namespace quiver
