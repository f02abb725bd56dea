#include "kernels/quantised_loops.h"

#include "core/check.h"
#include "kernels/vector_registers.h"

namespace quiver::quantised {

const char* name(InstructionSet set) {
  switch (set) {
    case InstructionSet::kPortable:
      return "portable";
    case InstructionSet::kAvx2:
      return "AVX2";
    case InstructionSet::kAvx512Vnni:
      return "AVX-512 VNNI";
  }
  return "";
}

const std::vector<InstructionSet>& available_instruction_sets() {
  static const std::vector<InstructionSet> sets = [] {
    std::vector<InstructionSet> found = {InstructionSet::kPortable};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
      found.push_back(InstructionSet::kAvx2);
    if (has_avx512() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni"))
      found.push_back(InstructionSet::kAvx512Vnni);
#endif
    return found;
  }();
  return sets;
}

const Loops& loops(InstructionSet set) {
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx2) return kAvx2Loops;
  if (set == InstructionSet::kAvx512Vnni) return kAvx512VnniLoops;
#endif
  QUIVER_CHECK(set == InstructionSet::kPortable, name(set));
  return kPortableLoops;
}

}  // namespace quiver::quantised
