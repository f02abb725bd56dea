#include "tensor/quantize.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <cstring>

#include "core/check.h"
#include "quiver/error.h"

namespace quiver {
namespace {

float from_half(std::uint16_t bits) { return static_cast<float>(at::Half(bits, at::Half::from_bits())); }

// Half precision of value >= 0, never below it, so that value / result stays within the integers' range.
std::uint16_t to_half_up(float value) {
  const std::uint16_t bits = at::Half(value).x;
  return from_half(bits) < value ? static_cast<std::uint16_t>(bits + 1) : bits;
}

void round_block(const float* values, char* block) {
  float largest = 0;
  for (std::int64_t i = 0; i < kBlockWidth && !std::isnan(largest); ++i) {
    const float magnitude = std::fabs(values[i]);
    if (!(magnitude <= largest)) largest = magnitude;  // NaN too
  }
  const std::uint16_t half = to_half_up(largest / 127.0f);
  const float scale = from_half(half);
  if (!std::isfinite(scale)) {
    throw Error(ErrorKind::kUnsupported,
                "a weight of " + std::to_string(largest) + " cannot be kept in 8 bits", "use float32");
  }
  std::memcpy(block, &half, sizeof half);
  for (std::int64_t i = 0; i < kBlockWidth; ++i)
    block[2 + i] = static_cast<char>(scale > 0 ? std::nearbyint(values[i] / scale) : 0.0f);
}

}  // namespace

QuantizedBlocks round_to_q8_0(const at::Tensor& weight) {
  QUIVER_CHECK(weight.dim() == 2 && weight.size(1) % kBlockWidth == 0, weight.sizes());
  const at::Tensor values = weight.to(at::kCPU, at::kFloat).contiguous();
  QuantizedBlocks result{BlockFormat::kQ8_0, weight.size(0), weight.size(1), {}};
  result.bytes.resize(static_cast<std::size_t>(result.rows * result.row_bytes()));
  const float* source = values.const_data_ptr<float>();
  constexpr std::int64_t kBytes = block_bytes(BlockFormat::kQ8_0), kGrain = 1024;
  at::parallel_for(0, values.numel() / kBlockWidth, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      round_block(source + i * kBlockWidth, result.bytes.data() + i * kBytes);
  });
  return result;
}

std::optional<QuantizedBlocks> blocks_of_halves(const at::Tensor& weight) {
  const bool is_half = weight.scalar_type() == at::kHalf || weight.scalar_type() == at::kBFloat16;
  if (!is_half || weight.dim() != 2 || weight.size(1) % kBlockWidth != 0) return std::nullopt;
  const at::Tensor values = weight.contiguous();
  const auto* bytes = static_cast<const char*>(values.const_data_ptr());
  return QuantizedBlocks{weight.scalar_type() == at::kHalf ? BlockFormat::kF16 : BlockFormat::kBF16,
                         weight.size(0),
                         weight.size(1),
                         {bytes, bytes + values.nbytes()}};
}

}  // namespace quiver
