#pragma once

#include <utility>

#include "kernels/vector_registers.h"

namespace quiver::row_loops {

// s[0] = the two halves of every run of 2 `Run` lanes of (first, second), added.
template <typename Register, int Run, int... I>
QUIVER_INLINE void add_halves(typename Register::Lanes* s, const typename Register::Lanes& first,
                              const typename Register::Lanes& second, std::integer_sequence<int, I...>) {
  using Indices = typename Register::Indices;
  s[0] = __builtin_shuffle(first, second, Indices{I / Run * 2 * Run + I % Run...}) +
         __builtin_shuffle(first, second, Indices{I / Run * 2 * Run + Run + I % Run...});
}

// Lane k of s[0] = the sum of the lanes of s[k], for k < K, a power of two; the rest of s is
// scratch.
template <typename Register, int K, int Run = kLanes<Register> / 2>
QUIVER_INLINE void sum_lanes(typename Register::Lanes* s) {
  if constexpr (Run > 0) {
    constexpr int kLeft = K > 1 ? K / 2 : 1;
#pragma GCC unroll 8
    for (int k = 0; k < kLeft; ++k)
      add_halves<Register, Run>(s + k, s[2 * k], s[K > 1 ? 2 * k + 1 : 0],
                                std::make_integer_sequence<int, kLanes<Register>>());
    sum_lanes<Register, kLeft, Run / 2>(s);
  }
}

}  // namespace quiver::row_loops
