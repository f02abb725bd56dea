#include "tensor/finite.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

namespace quiver {
namespace {

// Without the sign, the bits of a floating-point number are ordered as integers: finite numbers, infinity,
// NaN.
constexpr std::int16_t kHalfInfinity = 0x7c00, kBFloat16Infinity = 0x7f80;
constexpr std::int32_t kFloatInfinity = 0x7f800000;

template <typename Bits>
bool all_below(const void* numbers, std::int64_t count, Bits infinity) {
  constexpr Bits kWithoutSign = std::numeric_limits<Bits>::max();
  const auto* bits = static_cast<const char*>(numbers);
  Bits largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    Bits value;
    std::memcpy(&value, bits + i * static_cast<std::int64_t>(sizeof value), sizeof value);
    largest = std::max<Bits>(largest, value & kWithoutSign);
  }
  return largest < infinity;
}

// Where a block has its half-precision numbers d, and m after it.
struct Scales {
  std::int64_t place, count;
};

Scales scales_of(BlockFormat format) {
  switch (format) {
    case BlockFormat::kQ4_1:
    case BlockFormat::kQ5_1:
    case BlockFormat::kQ4_K:
    case BlockFormat::kQ5_K:
      return {0, 2};
    case BlockFormat::kQ6_K:
      return {208, 1};
    default:
      return {0, 1};
  }
}

}  // namespace

bool all_finite(const at::Tensor& tensor) {
  if (at::isIntegralType(tensor.scalar_type(), true)) return true;
  if (tensor.is_cpu() && tensor.is_contiguous()) {
    const void* numbers = tensor.const_data_ptr();
    if (tensor.scalar_type() == at::kFloat) return all_below(numbers, tensor.numel(), kFloatInfinity);
    if (tensor.scalar_type() == at::kHalf) return all_below(numbers, tensor.numel(), kHalfInfinity);
    if (tensor.scalar_type() == at::kBFloat16) return all_below(numbers, tensor.numel(), kBFloat16Infinity);
  }
  return at::isfinite(tensor).all().item<bool>();
}

bool all_finite(std::span<const float> numbers) {
  return all_below(numbers.data(), static_cast<std::int64_t>(numbers.size()), kFloatInfinity);
}

bool all_finite(const QuantizedBlocks& blocks) {
  const auto bytes = static_cast<std::int64_t>(blocks.bytes.size());
  if (blocks.has_halves()) {
    return all_below(blocks.bytes.data(), bytes / 2,
                     blocks.format == BlockFormat::kF16 ? kHalfInfinity : kBFloat16Infinity);
  }
  const auto [place, count] = scales_of(blocks.format);
  for (std::int64_t block = 0; block < bytes; block += block_bytes(blocks.format)) {
    if (!all_below(blocks.bytes.data() + block + place, count, kHalfInfinity)) return false;
  }
  return true;
}

}  // namespace quiver
