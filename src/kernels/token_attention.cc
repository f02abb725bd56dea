#include "kernels/token_attention.h"

#include <algorithm>

#include "kernels/dot_products.h"
#include "kernels/row_loops.h"
#include "kernels/vector_registers.h"

namespace quiver::row_loops {
namespace {

// The values of some positions, and their weights for several heads.
struct Weighed {
  const float* weights;  // (heads, count)
  const HeadPages* cached;
  std::int64_t begin, count, dim;

  // Some of these positions that lie in one page.
  struct Stretch {
    const float* values;  // of position `first`
    std::int64_t first, end;
  };
  QUIVER_INLINE Stretch stretch(std::int64_t first) const {
    const std::int64_t position = begin + first, at = position % cached->positions;
    return {cached->pages[position / cached->positions] + cached->values + at * dim, first,
            std::min(count, first + cached->positions - at)};
  }
};

// out[h, i ..] = sum over n of weights[h, n] values[n, i ..], for H heads and V registers.
template <typename Register, int H, int V>
QUIVER_INLINE void tile(const Weighed& from, std::int64_t i, float* out) {
  using Lanes = typename Register::Lanes;
  Lanes sum[H][V];
#pragma GCC unroll 4
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[h][v] = Lanes{};
  }
  for (std::int64_t done = 0; done < from.count;) {
    const Weighed::Stretch page = from.stretch(done);
    const float* row = page.values + i;
    for (std::int64_t n = page.first; n < page.end; ++n, row += from.dim) {
      Lanes value[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) value[v] = *reinterpret_cast<const Lanes*>(row + v * kLanes<Register>);
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) {
        const float weight = from.weights[h * from.count + n];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[h][v] += weight * value[v];
      }
    }
    done = page.end;
  }
#pragma GCC unroll 4
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v)
      *reinterpret_cast<Lanes*>(out + h * from.dim + i + v * kLanes<Register>) = sum[h][v];
  }
}

// The elements from i on, V registers at a time, then fewer, then one by one.
template <typename Register, int H, int V>
QUIVER_INLINE void all_elements(const Weighed& from, std::int64_t i, float* out) {
  constexpr std::int64_t kWidth = V * kLanes<Register>;
  for (; i + kWidth <= from.dim; i += kWidth) tile<Register, H, V>(from, i, out);
  if constexpr (V > 1) {
    all_elements<Register, H, V / 2>(from, i, out);
  } else {
    for (; i < from.dim; ++i) {
      for (int h = 0; h < H; ++h) {
        float sum = 0;
        for (std::int64_t done = 0; done < from.count;) {
          const Weighed::Stretch page = from.stretch(done);
          for (std::int64_t n = page.first; n < page.end; ++n)
            sum += from.weights[h * from.count + n] * page.values[(n - page.first) * from.dim + i];
          done = page.end;
        }
        out[h * from.dim + i] = sum;
      }
    }
  }
}

template <typename Register, int H, int V>
QUIVER_INLINE void all_heads(Weighed from, std::int64_t heads, float* out) {
  for (; heads >= H; heads -= H, from.weights += H * from.count, out += H * from.dim)
    all_elements<Register, H, V>(from, 0, out);
  if constexpr (H > 1) {
    if (heads > 0) all_heads<Register, H - 1, V>(from, heads, out);
  }
}

#if defined(__x86_64__)
QUIVER_AVX512
void weigh_values_avx512(const Weighed& from, std::int64_t heads, float* out) {
  all_heads<Register16, 4, 4>(from, heads, out);
}
#endif

QUIVER_AVX2
void weigh_values_avx2(const Weighed& from, std::int64_t heads, float* out) {
  all_heads<Register8, 4, 2>(from, heads, out);
}

void weigh_values(const Weighed& from, std::int64_t heads, float* out) {
#if defined(__x86_64__)
  if (has_avx512()) return weigh_values_avx512(from, heads, out);
#endif
  weigh_values_avx2(from, heads, out);
}

}  // namespace

void attend_token(const float* query, std::int64_t heads, const HeadPages& cached, std::int64_t begin,
                  std::int64_t end, std::int64_t dim, float scale, float* scores, float* out) {
  constexpr std::int64_t kTogether = 16;
  const std::int64_t count = end - begin;
  for (std::int64_t first = 0; first < heads; first += kTogether) {
    const std::int64_t together = std::min(kTogether, heads - first);
    const float* queries[kTogether];
    float* lines[kTogether];
    for (std::int64_t h = 0; h < together; ++h) {
      queries[h] = query + (first + h) * dim;
      lines[h] = scores + (first + h) * count;
    }
    for (std::int64_t position = begin; position < end;) {
      const std::int64_t at = position % cached.positions;
      const std::int64_t some = std::min(end - position, cached.positions - at);
      const float* keys = cached.pages[position / cached.positions] + cached.keys + at * dim;
      dot_products(queries, together, keys, dim, some, dim, lines);
      for (std::int64_t h = 0; h < together; ++h) lines[h] += some;
      position += some;
    }
    for (std::int64_t h = 0; h < together; ++h) softmax(lines[h] - count, count, scale);
  }
  weigh_values({scores, &cached, begin, count, dim}, heads, out);
}

}  // namespace quiver::row_loops
