#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace quiver::test {

// Draws that are the same on every machine, which the standard library's distributions are not.
class FuzzRandom {
 public:
  explicit FuzzRandom(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <typename T>
  const T& of(const std::vector<T>& values) {
    return values[below(values.size())];
  }

 private:
  std::mt19937_64 random_;
};

// Calls `run` with one seed after the other until one fails, whose number is said. QUIVER_FUZZ_RUNS is how
// many (`runs`), QUIVER_FUZZ_SEED where to begin.
inline void fuzz(std::uint64_t runs, const std::function<void(std::uint64_t seed)>& run) {
  const auto number_of = [](const char* variable, std::uint64_t otherwise) {
    const char* const text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
  };
  const std::uint64_t begin = number_of("QUIVER_FUZZ_SEED", 0);
  const std::uint64_t count = number_of("QUIVER_FUZZ_RUNS", runs);
  for (std::uint64_t seed = begin; seed < begin + count; ++seed) {
    run(seed);
    if (!::testing::Test::HasFailure()) continue;
    ADD_FAILURE() << "again: QUIVER_FUZZ_RUNS=1 QUIVER_FUZZ_SEED=" << seed;
    return;
  }
  ::testing::Test::RecordProperty("runs", std::to_string(count));
}

}  // namespace quiver::test
