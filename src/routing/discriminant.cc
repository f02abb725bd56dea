#include "routing/discriminant.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace quiver {
namespace {

constexpr double kSmallestShrinkage = 1e-6;  // S may be singular

// The sum of |r|^4 over the rows r around their task's mean.
double sum_fourth_powers(const PromptSample& sample, const at::Tensor& means) {
  double sum = 0;
  sample.visit_chunks([&](const at::Tensor& x, const at::Tensor& tasks) {
    sum += (x - means.index_select(0, tasks)).square().sum(1).square().sum().item<double>();
  });
  return sum;
}

}  // namespace

double oas_shrinkage(const at::Tensor& covariance, double count) {
  const auto width = static_cast<double>(covariance.size(0));
  const double mean_square = covariance.square().mean().item<double>();
  const double variance = covariance.trace().item<double>() / width;
  const double bottom = (count + 1) * (mean_square - variance * variance / width);
  return bottom > 0 ? std::min(1.0, (mean_square + variance * variance) / bottom) : 1;
}

double ledoit_wolf_shrinkage(const at::Tensor& covariance, double count, double fourth_powers) {
  const auto width = static_cast<double>(covariance.size(0));
  const double squares = covariance.square().sum().item<double>();
  const double variance = covariance.trace().item<double>() / width;
  const double error = (fourth_powers / count - squares) / (width * count);  // expected, of S
  const double spread = squares / width - variance * variance;               // of S around the multiple of I
  return spread > 0 ? std::clamp(error / spread, 0.0, 1.0) : 1;
}

DiscriminantRule fit_discriminant(const PromptSums& sums, const PromptSample& sample, Shrinkage shrinkage) {
  const double count = static_cast<double>(sums.count());
  DiscriminantRule rule;
  rule.means = sums.totals / sums.counts.unsqueeze(1);
  rule.counts = sums.counts;
  at::Tensor covariance = (sums.products - at::mm(sums.totals.t(), rule.means)) / count;
  const double variance = covariance.trace().item<double>() / static_cast<double>(sample.width());
  // Unit rows that differ by float32's rounding alone have about 1e-14 of it.
  if (!(variance * static_cast<double>(sample.width()) > 1e-12)) {
    throw Error(ErrorKind::kInvalidArgument, "the prompts of each task have the same hidden states",
                "use --rule ridge or centroid");
  }
  const double g = shrinkage == Shrinkage::kOas
                       ? oas_shrinkage(covariance, count)
                       : ledoit_wolf_shrinkage(covariance, count, sum_fourth_powers(sample, rule.means));
  rule.shrinkage = std::max(g, kSmallestShrinkage);
  covariance.mul_(1 - rule.shrinkage).diagonal().add_(rule.shrinkage * variance);
  rule.inverse = at::cholesky_inverse(at::linalg_cholesky(covariance));
  rule.linear.weights = at::mm(rule.inverse, rule.means.t()).contiguous();
  rule.linear.offsets = (sums.counts / count).log() - (rule.means.t() * rule.linear.weights).sum(0) / 2;
  return rule;
}

at::Tensor leave_out(const DiscriminantRule& rule, const at::Tensor& x, const at::Tensor& tasks) {
  const at::Tensor n = rule.counts.index_select(0, tasks);     // (n), of each row's task
  const at::Tensor r = x - rule.means.index_select(0, tasks);  // (n, D)
  const at::Tensor u = at::mm(r, rule.inverse);                // (n, D), S'^-1 r
  const at::Tensor length = (u * r).sum(1);                    // (n)
  const at::Tensor x_u = (x * u).sum(1);                       // (n)
  const at::Tensor m_u = at::mm(u, rule.means.t());            // (n, C)
  // Without the row the task's mean is m - r / (n - 1), and N S loses n / (n - 1) r r^T.
  const at::Tensor lost = (1 - rule.shrinkage) * n / ((n - 1) * rule.counts.sum());
  const at::Tensor gain = lost / (1 - lost * length);  // S''^-1 = S'^-1 + gain u u^T
  const at::Tensor own = tasks.unsqueeze(1);
  const auto moved = [&](const at::Tensor& of_means, const at::Tensor& by) {
    return of_means.scatter_add(1, own, (-by / (n - 1)).unsqueeze(1));
  };
  const at::Tensor m_u_moved = moved(m_u, length);
  const at::Tensor x_m = moved(at::mm(x, rule.linear.weights), x_u);  // x^T S'^-1 m'
  const at::Tensor m_m =
      (rule.means.t() * rule.linear.weights).sum(0).expand({x.size(0), -1});  // m^T S'^-1 m
  const at::Tensor own_m_u = m_u.gather(1, own).squeeze(1);
  const at::Tensor m_m_moved = moved(m_m, 2 * own_m_u - length / (n - 1));
  return x_m + gain.unsqueeze(1) * x_u.unsqueeze(1) * m_u_moved -
         (m_m_moved + gain.unsqueeze(1) * m_u_moved.square()) / 2 + (rule.counts / rule.counts.sum()).log();
}

}  // namespace quiver
