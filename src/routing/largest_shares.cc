#include "routing/largest_shares.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

namespace quiver {
namespace {

constexpr double kSmallestShare = 0.01;

}  // namespace

std::vector<std::pair<std::size_t, double>> largest_shares(const at::Tensor& p, std::int64_t top_k) {
  std::vector<std::pair<std::size_t, double>> shares;
  for (std::int64_t e = 0; e < p.size(0); ++e) shares.emplace_back(e, p.data_ptr<double>()[e]);
  const auto kept = top_k > 0 ? std::min<std::ptrdiff_t>(top_k, p.size(0)) : p.size(0);
  std::partial_sort(
      shares.begin(), shares.begin() + kept, shares.end(), [](const auto& left, const auto& right) {
        return left.second != right.second ? left.second > right.second : left.first < right.first;
      });
  shares.resize(static_cast<std::size_t>(kept));
  const auto normalize = [&shares] {
    const double sum = std::accumulate(shares.begin(), shares.end(), 0.0,
                                       [](double total, const auto& share) { return total + share.second; });
    for (auto& share : shares) share.second /= sum;
  };
  normalize();
  // The heaviest stays, however many experts there are.
  const auto small = [](const auto& share) { return share.second < kSmallestShare; };
  shares.erase(std::find_if(shares.begin() + 1, shares.end(), small), shares.end());
  normalize();
  return shares;
}

}  // namespace quiver
