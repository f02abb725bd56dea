#include "tensor/dequantize.h"

#include <c10/util/Half.h>

#include <cstring>

#include "tensor/quantized_blocks.h"

namespace quiver {
namespace {

using Byte = std::uint8_t;

constexpr int kBlock = 32;  // values in a block of the legacy formats, and in a sub-block of the K formats

const Byte* bytes_of(const char* source) { return reinterpret_cast<const Byte*>(source); }

std::uint16_t load_u16(const Byte* source) {
  std::uint16_t bits;
  std::memcpy(&bits, source, sizeof bits);
  return bits;
}

std::uint32_t load_u32(const Byte* source) {
  std::uint32_t bits;
  std::memcpy(&bits, source, sizeof bits);
  return bits;
}

float load_half(const Byte* source) {
  return static_cast<float>(c10::Half(load_u16(source), c10::Half::from_bits()));
}

}  // namespace

void dequantize_f32(const char* source, std::int64_t blocks, float* target) {
  std::memcpy(target, source, static_cast<std::size_t>(blocks) * sizeof(float));
}

void dequantize_f16(const char* source, std::int64_t blocks, float* target) {
  for (std::int64_t i = 0; i < blocks; ++i) target[i] = load_half(bytes_of(source) + 2 * i);
}

void dequantize_bf16(const char* source, std::int64_t blocks, float* target) {
  for (std::int64_t i = 0; i < blocks; ++i) {
    const std::uint32_t bits = std::uint32_t{load_u16(bytes_of(source) + 2 * i)} << 16;
    std::memcpy(target + i, &bits, sizeof bits);
  }
}

void dequantize_q4_0(const char* source, std::int64_t blocks, float* target) {
  const Byte* block = bytes_of(source);
  for (std::int64_t i = 0; i < blocks; ++i, block += 18, target += kBlock) {
    const float scale = load_half(block);
    for (int j = 0; j < kBlock / 2; ++j) {
      target[j] = scale * static_cast<float>((block[2 + j] & 15) - 8);
      target[j + kBlock / 2] = scale * static_cast<float>((block[2 + j] >> 4) - 8);
    }
  }
}

void dequantize_q4_1(const char* source, std::int64_t blocks, float* target) {
  const Byte* block = bytes_of(source);
  for (std::int64_t i = 0; i < blocks; ++i, block += 20, target += kBlock) {
    const float scale = load_half(block);
    const float minimum = load_half(block + 2);
    for (int j = 0; j < kBlock / 2; ++j) {
      target[j] = scale * static_cast<float>(block[4 + j] & 15) + minimum;
      target[j + kBlock / 2] = scale * static_cast<float>(block[4 + j] >> 4) + minimum;
    }
  }
}

void dequantize_q5_0(const char* source, std::int64_t blocks, float* target) {
  const Byte* block = bytes_of(source);
  for (std::int64_t i = 0; i < blocks; ++i, block += 22, target += kBlock) {
    const float scale = load_half(block);
    const std::uint32_t high = load_u32(block + 2);  // bit j: the fifth bit of value j
    for (int j = 0; j < kBlock / 2; ++j) {
      const int first = (block[6 + j] & 15) | static_cast<int>((high >> j & 1) << 4);
      const int second = (block[6 + j] >> 4) | static_cast<int>((high >> (j + 16) & 1) << 4);
      target[j] = scale * static_cast<float>(first - 16);
      target[j + kBlock / 2] = scale * static_cast<float>(second - 16);
    }
  }
}

void dequantize_q5_1(const char* source, std::int64_t blocks, float* target) {
  const Byte* block = bytes_of(source);
  for (std::int64_t i = 0; i < blocks; ++i, block += 24, target += kBlock) {
    const float scale = load_half(block);
    const float minimum = load_half(block + 2);
    const std::uint32_t high = load_u32(block + 4);
    for (int j = 0; j < kBlock / 2; ++j) {
      const int first = (block[8 + j] & 15) | static_cast<int>((high >> j & 1) << 4);
      const int second = (block[8 + j] >> 4) | static_cast<int>((high >> (j + 16) & 1) << 4);
      target[j] = scale * static_cast<float>(first) + minimum;
      target[j + kBlock / 2] = scale * static_cast<float>(second) + minimum;
    }
  }
}

void dequantize_q8_0(const char* source, std::int64_t blocks, float* target) {
  const Byte* block = bytes_of(source);
  for (std::int64_t i = 0; i < blocks; ++i, block += 34, target += kBlock) {
    const float scale = load_half(block);
    for (int j = 0; j < kBlock; ++j) {
      target[j] = scale * static_cast<float>(static_cast<std::int8_t>(block[2 + j]));
    }
  }
}

// Block: d, m (half), 12 packed scales, 128 bytes of nibbles. Sub-blocks 2k and 2k + 1 are the low and the
// high nibbles of the same 32 bytes.
void dequantize_q4_k(const char* source, std::int64_t blocks, float* target) {
  const Byte* block = bytes_of(source);
  for (std::int64_t i = 0; i < blocks; ++i, block += 144) {
    const float d = load_half(block);
    const float m = load_half(block + 2);
    for (int sub = 0; sub < 8; ++sub, target += kBlock) {
      const auto [scale, minimum] = unpack_scale(block + 4, sub);
      const float factor = d * static_cast<float>(scale);
      const float offset = m * static_cast<float>(minimum);
      const Byte* nibbles = block + 16 + sub / 2 * kBlock;
      const int shift = sub % 2 * 4;
      for (int j = 0; j < kBlock; ++j) {
        target[j] = factor * static_cast<float>(nibbles[j] >> shift & 15) - offset;
      }
    }
  }
}

// As Q4_K with 32 bytes of fifth bits before the nibbles: bit `sub` of byte j belongs to value j of the
// sub-block.
void dequantize_q5_k(const char* source, std::int64_t blocks, float* target) {
  const Byte* block = bytes_of(source);
  for (std::int64_t i = 0; i < blocks; ++i, block += 176) {
    const float d = load_half(block);
    const float m = load_half(block + 2);
    const Byte* high = block + 16;
    for (int sub = 0; sub < 8; ++sub, target += kBlock) {
      const auto [scale, minimum] = unpack_scale(block + 4, sub);
      const float factor = d * static_cast<float>(scale);
      const float offset = m * static_cast<float>(minimum);
      const Byte* nibbles = block + 48 + sub / 2 * kBlock;
      const int shift = sub % 2 * 4;
      for (int j = 0; j < kBlock; ++j) {
        const int value = (nibbles[j] >> shift & 15) | (high[j] >> sub & 1) << 4;
        target[j] = factor * static_cast<float>(value) - offset;
      }
    }
  }
}

// Block: 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales (one for 16 values), d
// (half). Each half of the block holds four sub-blocks: nibbles low of bytes 0-31, low of 32-63, high of
// 0-31, high of 32-63, and bit pair `sub` of the 32 high bytes.
void dequantize_q6_k(const char* source, std::int64_t blocks, float* target) {
  const Byte* block = bytes_of(source);
  for (std::int64_t i = 0; i < blocks; ++i, block += 210) {
    const float d = load_half(block + 208);
    for (int sub = 0; sub < 8; ++sub, target += kBlock) {
      const int half = sub / 4;
      const Byte* nibbles = block + half * 64 + sub % 2 * kBlock;
      const Byte* high = block + 128 + half * kBlock;
      const int nibble_shift = sub % 4 / 2 * 4;
      const int high_shift = sub % 4 * 2;
      for (int j = 0; j < kBlock; ++j) {
        const auto scale = static_cast<std::int8_t>(block[192 + sub * 2 + j / 16]);
        const int value = (nibbles[j] >> nibble_shift & 15) | (high[j] >> high_shift & 3) << 4;
        target[j] = d * static_cast<float>(scale) * static_cast<float>(value - 32);
      }
    }
  }
}

}  // namespace quiver
