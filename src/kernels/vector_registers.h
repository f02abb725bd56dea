#pragma once

#include <cstdlib>
#include <string_view>

// What the inner loops share; for .cc files of src/kernels only. QUIVER_VECTORIZED: loops for the compiler to
// vectorize, one clone for AVX-512, one for AVX2 with FMA, one for any x86-64. QUIVER_AVX512 and QUIVER_AVX2:
// loops written in the registers below, of 16 or 8 floats. Other processors get the loops as they stand.
#if defined(__x86_64__)
#define QUIVER_VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define QUIVER_AVX512 __attribute__((target("avx512f,fma")))
#define QUIVER_AVX2 __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define QUIVER_VECTORIZED
#define QUIVER_AVX2
#endif
#define QUIVER_INLINE inline __attribute__((always_inline))

namespace quiver {

// Unaligned groups of floats: one register of AVX-512, one of AVX2. Templates take the structs, since they
// would drop a type's attributes.
struct Register16 {
  typedef float Lanes __attribute__((vector_size(64), aligned(4), may_alias));
  typedef int Indices __attribute__((vector_size(64)));
};
struct Register8 {
  typedef float Lanes __attribute__((vector_size(32), aligned(4), may_alias));
  typedef int Indices __attribute__((vector_size(32)));
};
template <typename Register>
constexpr int kLanes = sizeof(typename Register::Lanes) / sizeof(float);

// LibTorch's variable: "avx2" rules out AVX-512, "default" AVX2 as well. The clones of QUIVER_VECTORIZED and
// QUIVER_AVX2 are chosen by the processor alone.
inline std::string_view cpu_capability_limit() {
  const char* value = std::getenv("ATEN_CPU_CAPABILITY");
  return value == nullptr ? "" : value;
}

// Whether to choose loops with AVX-512, and with AVX2, FMA and F16C.
#if defined(__x86_64__)
inline bool has_avx512() {
  static const bool answer = __builtin_cpu_supports("avx512f") && cpu_capability_limit() != "avx2" &&
                             cpu_capability_limit() != "default";
  return answer;
}
inline bool has_avx2() {
  static const bool answer = __builtin_cpu_supports("x86-64-v3") && cpu_capability_limit() != "default";
  return answer;
}
#else
inline bool has_avx512() { return false; }
inline bool has_avx2() { return false; }
#endif

}  // namespace quiver
