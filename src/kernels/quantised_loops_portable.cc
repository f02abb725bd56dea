#include <c10/util/Half.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/quantised_loops.h"

namespace quiver::quantised {
namespace {

float from_half(std::uint16_t bits) { return c10::detail::fp16_ieee_to_fp32_value(bits); }

void round_row(const float* x, std::int64_t width, std::int8_t* values, float* scales, std::int32_t* sums) {
  for (std::int64_t begin = 0; begin < width; begin += kBlock, values += kBlock) {
    const std::int64_t count = std::min(kBlock, width - begin);
    std::uint32_t largest_bits = 0;  // of |x|: the order of the bits, in which NaN is the largest
    for (std::int64_t i = 0; i < count; ++i)
      largest_bits = std::max(largest_bits, std::bit_cast<std::uint32_t>(x[begin + i]) & 0x7fffffffu);
    const auto largest = std::bit_cast<float>(largest_bits);
    std::int32_t sum = 0;
    const bool is_zero = largest < kSmallest;
    const float factor = is_zero ? 0.0f : 127.0f / largest;
    for (std::int64_t i = 0; i < kBlock; ++i) {
      const float value = i < count ? x[begin + i] * factor : 0.0f;
      values[i] = std::isfinite(value) ? static_cast<std::int8_t>(std::nearbyint(value)) : std::int8_t{-127};
      sum += values[i];
    }
    *scales++ = is_zero ? 0.0f : largest / 127.0f;
    *sums++ = largest_bits < kInfinityBits ? sum : 0;
  }
}

// q of one block as 8 chunks of (kPanelRows, kChunk).
void unpack(const Panel& panel, std::int64_t block, std::uint8_t* quants) {
  constexpr std::int64_t kChunkBytes = kPanelRows * kChunk;
  if (!panel.four_bit) {
    std::copy_n(panel.quants(block), kPanelRows * kBlock, quants);
    return;
  }
  const std::uint8_t* packed = panel.quants(block);
  for (std::int64_t pair = 0; pair < 4; ++pair) {
    for (std::int64_t i = 0; i < kChunkBytes; ++i) {
      quants[2 * pair * kChunkBytes + i] = packed[pair * kChunkBytes + i] & 15;
      quants[(2 * pair + 1) * kChunkBytes + i] = packed[pair * kChunkBytes + i] >> 4;
    }
  }
}

void multiply(const Panel& panel, const Rows& x, float* y, std::int64_t y_stride, Store store) {
  constexpr std::int64_t kTile = 8;  // rows for which a block is unpacked once
  for (std::int64_t first = 0; first < x.rows; first += kTile) {
    const std::int64_t count = std::min(kTile, x.rows - first);
    float result[kTile][kPanelRows] = {};
    for (std::int64_t block = 0; block < x.blocks; ++block) {
      std::uint8_t quants[kPanelRows * kBlock];
      unpack(panel, block, quants);
      float scale[kPanelRows], minimum[kPanelRows];
      for (std::int64_t i = 0; i < kPanelRows; ++i) {
        scale[i] = from_half(panel.scales(block)[i]);
        minimum[i] = panel.has_minima ? from_half(panel.minima(block)[i]) : 0.0f;
      }
      for (std::int64_t row = 0; row < count; ++row) {
        const std::int64_t at = (first + row) * x.blocks + block;
        const std::int8_t* values = x.values + at * kBlock;
        const float x_sum = x.scales[at] * static_cast<float>(x.sums[at]);
        for (std::int64_t i = 0; i < kPanelRows; ++i) {
          std::int32_t sum = panel.offset * x.sums[at];
          for (std::int64_t column = 0; column < kBlock; ++column) {
            const std::int64_t chunk = column / kChunk;
            sum += quants[(chunk * kPanelRows + i) * kChunk + column % kChunk] * values[column];
          }
          result[row][i] += static_cast<float>(sum) * (scale[i] * x.scales[at]);
          result[row][i] += minimum[i] * x_sum;
        }
      }
    }
    for (std::int64_t row = 0; row < count; ++row) {
      float* line = y + (first + row) * y_stride;
      for (std::int32_t i = 0; i < panel.rows; ++i)
        line[i] = store == Store::kAdd ? line[i] + result[row][i] : result[row][i];
    }
  }
}

}  // namespace

const Loops kPortableLoops = {round_row, multiply};

}  // namespace quiver::quantised
