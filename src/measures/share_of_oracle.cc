#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "quiver/error.h"
#include "quiver/measures.h"

namespace quiver {
namespace {

constexpr int kDraws = 1000;
constexpr std::uint32_t kSeed = 42;
constexpr double kTail = 0.025;  // outside the interval, on either side

void check_scores(std::span<const double> scores, std::size_t count) {
  if (scores.size() != count) {
    throw Error(ErrorKind::kInvalidArgument, "a share of the oracle needs the same prompts: got " +
                                                 std::to_string(count) + " and " +
                                                 std::to_string(scores.size()) + " scores");
  }
  for (const double score : scores) {
    if (!std::isfinite(score))
      throw Error(ErrorKind::kInvalidArgument, "a score is " + std::to_string(score));
  }
}

// The quantile of sorted values with linear interpolation, as numpy.percentile.
double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - static_cast<double>(below));
}

// A gain below this part of the scores is the rounding of their sums.
constexpr double kRounding = 1e-9;

// (router - base) / (oracle - base) of sums over prompts; nothing without a gain.
std::optional<double> share(double router, double base, double oracle) {
  if (oracle - base <= kRounding * (std::abs(oracle) + std::abs(base))) return std::nullopt;
  return (router - base) / (oracle - base);
}

}  // namespace

std::optional<OracleShare> share_of_oracle(std::span<const double> router, std::span<const double> base,
                                           std::span<const double> oracle) {
  const std::size_t n = router.size();
  for (const auto& scores : {router, base, oracle}) check_scores(scores, n);
  std::array<double, 3> sums{};
  for (std::size_t i = 0; i < n; ++i) {
    sums[0] += router[i];
    sums[1] += base[i];
    sums[2] += oracle[i];
  }
  const std::optional<double> value = share(sums[0], sums[1], sums[2]);
  if (!value) return std::nullopt;

  std::mt19937 random(kSeed);
  std::vector<double> draws;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::array<double, 3> drawn{};
    for (std::size_t k = 0; k < n; ++k) {
      // The high bits of the product: standard distributions differ between libraries.
      const auto i = static_cast<std::size_t>(std::uint64_t{random()} * n >> 32);
      drawn[0] += router[i];
      drawn[1] += base[i];
      drawn[2] += oracle[i];
    }
    const std::optional<double> drawn_share = share(drawn[0], drawn[1], drawn[2]);
    if (!drawn_share) return std::nullopt;
    draws.push_back(*drawn_share);
  }
  std::sort(draws.begin(), draws.end());
  return OracleShare{*value, quantile(draws, kTail), quantile(draws, 1 - kTail)};
}

}  // namespace quiver
