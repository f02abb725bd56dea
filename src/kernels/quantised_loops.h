#pragma once

#include <cstdint>
#include <string>
#include <vector>

// The inner loops of the quantised matrix product on plain pointers, one implementation an instruction set.
// All sum the products of a block exactly in integers, and add up the blocks of a row in the same order, so
// they differ by no more than the rounding of float32; a row's result does not depend on the rows beside it.
namespace quiver::quantised {

constexpr std::int64_t kBlock = 32;      // columns that share a scale
constexpr std::int64_t kPanelRows = 16;  // rows of weights that are computed together
constexpr std::int64_t kChunk = 4;       // columns that one integer dot product takes

// Inputs rounded to 8 bits: x[row, 32 b + i] = scales[row, b] * values[row, b, i], |values| <= 127.
// A block with a number that is not finite has a scale that is not finite, and the sum 0.
struct Rows {
  std::int64_t rows = 0;
  std::int64_t blocks = 0;
  const std::int8_t* values = nullptr;  // (rows, blocks, kBlock)
  const float* scales = nullptr;        // (rows, blocks)
  const std::int32_t* sums = nullptr;   // (rows, blocks): of a block's values
};

constexpr float kSmallest = 1e-30f;                  // inputs below it count as 0: 127 / x would overflow
constexpr std::uint32_t kInfinityBits = 0x7f800000;  // float32 magnitudes from here on are not finite

// kPanelRows rows of weights, w = d (q + offset) + m with unsigned q, block after block. A block is its q,
// then kPanelRows half-precision d, then, if there are minima, kPanelRows half-precision m; without them m =
// 0. The q of the rows are interleaved: 8 chunks of 4 columns; an 8-bit chunk is (kPanelRows, kChunk) bytes,
// and 4-bit chunks 2 j and 2 j + 1 share such bytes as their low and their high nibbles.
struct Panel {
  const std::uint8_t* data = nullptr;  // (blocks, block_bytes()), 32-byte aligned
  std::int32_t offset = 0;
  std::int32_t rows = 0;  // 1 .. kPanelRows; the rest is padding
  bool four_bit = false;
  bool has_minima = false;

  std::int64_t quant_bytes() const { return kPanelRows * kBlock / (four_bit ? 2 : 1); }
  std::int64_t block_bytes() const { return quant_bytes() + kPanelRows * 2 * (has_minima ? 2 : 1); }
  const std::uint8_t* quants(std::int64_t block) const { return data + block * block_bytes(); }
  const std::uint16_t* scales(std::int64_t block) const {
    return reinterpret_cast<const std::uint16_t*>(quants(block) + quant_bytes());
  }
  const std::uint16_t* minima(std::int64_t block) const { return scales(block) + kPanelRows; }
};

constexpr std::int64_t kAheadBytes =
    4096;  // between what is used and what is fetched, where memory is the limit

// What happens to the results' old values.
enum class Store { kOverwrite, kAdd };

struct Loops {
  // Rounds one row of `width` floats to blocks; the last block is padded with zeros.
  void (*round_row)(const float* x, std::int64_t width, std::int8_t* values, float* scales,
                    std::int32_t* sums);
  // y[row * y_stride + i] = or += sum over columns of x[row] * weights[i], for i < panel.rows.
  void (*multiply)(const Panel& panel, const Rows& x, float* y, std::int64_t y_stride, Store store);
};

enum class InstructionSet {
  kPortable,    // any processor
  kAvx2,        // with FMA and F16C
  kAvx512Vnni,  // AVX-512 F, BW, VL and VNNI
};

const char* name(InstructionSet set);

// Those that this processor has, the best last.
const std::vector<InstructionSet>& available_instruction_sets();

// REQUIRES: the processor has it.
const Loops& loops(InstructionSet set);

extern const Loops kPortableLoops;
#if defined(__x86_64__)
extern const Loops kAvx2Loops;
extern const Loops kAvx512VnniLoops;
#endif

}  // namespace quiver::quantised
