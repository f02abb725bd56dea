#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/check.h"
#include "kernels/quantised.h"
#include "quiver/error.h"

namespace quiver {
namespace {

using quantised::kBlock;
using quantised::kChunk;
using quantised::kPanelRows;

float from_half(std::uint16_t bits) { return static_cast<float>(at::Half(bits, at::Half::from_bits())); }

// Half precision of value >= 0, never below it, so that value / result stays within the integers' range.
std::uint16_t to_half_up(float value) {
  const std::uint16_t bits = at::Half(value).x;
  return from_half(bits) < value ? static_cast<std::uint16_t>(bits + 1) : bits;
}

std::uint16_t load_half_bits(const char* source) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(source);
  return static_cast<std::uint16_t>(bytes[0] | bytes[1] << 8);
}

// Byte of column `column` of row `row` in a block of chunks (kPanelRows, kChunk).
std::int64_t place_8_bit(std::int64_t row, std::int64_t column) {
  return (column / kChunk * kPanelRows + row) * kChunk + column % kChunk;
}

// The same for 4 bits, where two neighbouring chunks share bytes; the second is in the high nibbles.
struct NibblePlace {
  std::int64_t byte;
  int shift;
};
NibblePlace place_4_bit(std::int64_t row, std::int64_t column) {
  const std::int64_t chunk = column / kChunk;
  return {(chunk / 2 * kPanelRows + row) * kChunk + column % kChunk, chunk % 2 == 0 ? 0 : 4};
}

float dequantised(const quantised::Panel& panel, std::int64_t block, std::int64_t row, std::int64_t column) {
  std::int32_t quant;
  if (panel.four_bit) {
    const NibblePlace place = place_4_bit(row, column);
    quant = panel.quants(block)[place.byte] >> place.shift & 15;
  } else {
    quant = panel.quants(block)[place_8_bit(row, column)];
  }
  const float value = from_half(panel.scales(block)[row]) * static_cast<float>(quant + panel.offset);
  return panel.has_minima ? value + from_half(panel.minima(block)[row]) : value;
}

}  // namespace

// Allocates the panels of one format, all rows 0, and fills them value by value. Different rows may be filled
// by different threads.
class QuantisedMatrix::Builder {
 public:
  Builder(BlockFormat format, std::int64_t out, std::int64_t in) {
    const std::int64_t blocks = (in + kBlock - 1) / kBlock, panels = (out + kPanelRows - 1) / kPanelRows;
    quantised::Panel panel;
    panel.offset = format == BlockFormat::kQ4_0 ? -8 : format == BlockFormat::kQ4_1 ? 0 : -128;
    panel.four_bit = format != BlockFormat::kQ8_0;
    panel.has_minima = format == BlockFormat::kQ4_1;
    const std::shared_ptr<std::uint8_t[]> data = allocate(panels * blocks * panel.block_bytes());
    for (std::int64_t i = 0; i < panels; ++i) {
      panel.data = data.get() + i * blocks * panel.block_bytes();
      panel.rows = static_cast<std::int32_t>(std::min(kPanelRows, out - i * kPanelRows));
      matrix_.panels_.push_back({panel, i * kPanelRows});
    }
    matrix_.out_ = out;
    matrix_.in_ = in;
    matrix_.storage_.push_back(data);
  }

  // q, unsigned.
  void set_quant(std::int64_t row, std::int64_t column, std::uint32_t quant) {
    const quantised::Panel& panel = panel_of(row);
    auto* quants = const_cast<std::uint8_t*>(panel.quants(column / kBlock));
    if (panel.four_bit) {
      const NibblePlace place = place_4_bit(row % kPanelRows, column % kBlock);
      quants[place.byte] |= static_cast<std::uint8_t>(quant << place.shift);
    } else {
      quants[place_8_bit(row % kPanelRows, column % kBlock)] = static_cast<std::uint8_t>(quant);
    }
  }
  void set_scale(std::int64_t row, std::int64_t block, std::uint16_t half) {
    const_cast<std::uint16_t*>(panel_of(row).scales(block))[row % kPanelRows] = half;
  }
  void set_minimum(std::int64_t row, std::int64_t block, std::uint16_t half) {
    const_cast<std::uint16_t*>(panel_of(row).minima(block))[row % kPanelRows] = half;
  }

  QuantisedMatrix finish() { return std::move(matrix_); }

 private:
  static constexpr std::int64_t kAlignment = 64;

  static std::shared_ptr<std::uint8_t[]> allocate(std::int64_t bytes) {
    const auto size = static_cast<std::size_t>((bytes + kAlignment) / kAlignment * kAlignment);
    auto* data = static_cast<std::uint8_t*>(std::aligned_alloc(kAlignment, size));
    if (data == nullptr) throw std::bad_alloc();
    std::memset(data, 0, size);
    return {data, [](std::uint8_t* memory) { std::free(memory); }};
  }

  const quantised::Panel& panel_of(std::int64_t row) const {
    return matrix_.panels_[static_cast<std::size_t>(row / kPanelRows)].panel;
  }

  QuantisedMatrix matrix_;
};

bool QuantisedMatrix::holds(BlockFormat format) {
  return format == BlockFormat::kQ4_0 || format == BlockFormat::kQ4_1 || format == BlockFormat::kQ8_0;
}

QuantisedMatrix QuantisedMatrix::from_blocks(const QuantisedBlocks& source) {
  QUIVER_CHECK(holds(source.format) && source.width % kBlockWidth == 0 &&
                   static_cast<std::int64_t>(source.bytes.size()) == source.rows * source.row_bytes(),
               source.rows, " x ", source.width, " in ", source.bytes.size(), " bytes");
  Builder builder(source.format, source.rows, source.width);
  const std::int64_t blocks = source.width / kBlockWidth;
  at::parallel_for(0, source.rows, kPanelRows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const char* bytes = source.bytes.data() + row * source.row_bytes();
      for (std::int64_t block = 0; block < blocks; ++block, bytes += block_bytes(source.format)) {
        builder.set_scale(row, block, load_half_bits(bytes));
        if (source.format == BlockFormat::kQ4_1) builder.set_minimum(row, block, load_half_bits(bytes + 2));
        const auto* quants =
            reinterpret_cast<const std::uint8_t*>(bytes + (source.format == BlockFormat::kQ4_1 ? 4 : 2));
        for (std::int64_t i = 0; i < kBlock; ++i) {
          const std::uint32_t quant = !source.four_bit()    ? (quants[i] ^ 0x80u)  // signed to q - 128
                                      : i < kBlockWidth / 2 ? quants[i] & 15u
                                                            : quants[i - kBlockWidth / 2] >> 4;
          builder.set_quant(row, block * kBlock + i, quant);
        }
      }
    }
  });
  return builder.finish();
}

QuantisedMatrix QuantisedMatrix::from_float(const at::Tensor& weight) {
  const at::Tensor values = weight.to(at::kCPU, at::kFloat).contiguous();
  const std::int64_t out = values.size(0), in = values.size(1);
  Builder builder(BlockFormat::kQ8_0, out, in);
  const float* data = values.const_data_ptr<float>();
  at::parallel_for(0, out, kPanelRows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t first = 0; first < in; first += kBlock) {
        const std::int64_t last = std::min(in, first + kBlock);
        float largest = 0;
        for (std::int64_t i = first; i < last; ++i) {
          const float magnitude = std::fabs(data[row * in + i]);
          if (!(magnitude <= largest)) largest = magnitude;  // NaN too
        }
        const std::uint16_t half = to_half_up(largest / 127.0f);
        const float scale = from_half(half);
        if (!std::isfinite(scale)) {
          throw Error(ErrorKind::kUnsupported,
                      "a weight of " + std::to_string(largest) + " cannot be kept in 8 bits", "use float32");
        }
        builder.set_scale(row, first / kBlock, half);
        for (std::int64_t i = first; i < last; ++i) {
          const float quant = scale > 0 ? std::nearbyint(data[row * in + i] / scale) : 0.0f;
          builder.set_quant(row, i, static_cast<std::uint32_t>(static_cast<std::int32_t>(quant) + 128));
        }
      }
    }
  });
  return builder.finish();
}

QuantisedMatrix QuantisedMatrix::stack(std::span<const QuantisedMatrix> matrices) {
  QuantisedMatrix result;
  for (const QuantisedMatrix& matrix : matrices) {
    QUIVER_CHECK(result.out_ == 0 || matrix.in_ == result.in_, matrix.in_, " and ", result.in_, " columns");
    result.in_ = matrix.in_;
    for (PlacedPanel panel : matrix.panels_) {
      panel.column += result.out_;
      result.panels_.push_back(panel);
    }
    result.storage_.insert(result.storage_.end(), matrix.storage_.begin(), matrix.storage_.end());
    result.out_ += matrix.out_;
  }
  return result;
}

std::int64_t QuantisedMatrix::bytes() const {
  std::int64_t total = 0;
  for (const auto& [panel, column] : panels_) total += (in_ + kBlock - 1) / kBlock * panel.block_bytes();
  return total;
}

const QuantisedMatrix::PlacedPanel& QuantisedMatrix::panel_of(std::int64_t row) const {
  QUIVER_CHECK(row >= 0 && row < out_, "row ", row, " of ", out_);
  return *std::prev(std::ranges::upper_bound(panels_, row, {}, &PlacedPanel::column));
}

at::Tensor QuantisedMatrix::every(std::int64_t stride) const {
  at::Tensor result = at::empty({(out_ * in_ + stride - 1) / stride}, at::kFloat);
  float* target = result.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < out_ * in_; i += stride) {
    const std::int64_t row = i / in_, column = i % in_;
    const PlacedPanel& placed = panel_of(row);
    *target++ = dequantised(placed.panel, column / kBlock, row - placed.column, column % kBlock);
  }
  return result;
}

at::Tensor QuantisedMatrix::rows(std::span<const std::int32_t> rows) const {
  at::Tensor result = at::empty({static_cast<std::int64_t>(rows.size()), in_}, at::kFloat);
  float* target = result.mutable_data_ptr<float>();
  at::parallel_for(0, result.size(0), 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = rows[static_cast<std::size_t>(i)];
      const auto& [panel, column] = panel_of(row);
      for (std::int64_t j = 0; j < in_; ++j)
        target[i * in_ + j] = dequantised(panel, j / kBlock, row - column, j % kBlock);
    }
  });
  return result;
}

at::Tensor QuantisedMatrix::dequantise() const {
  std::vector<std::int32_t> all(static_cast<std::size_t>(out_));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int32_t>(i);
  return rows(all);
}

}  // namespace quiver
