#include "routing/prototypes.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include <tuple>

#include "tensor/finite.h"

namespace quiver {
namespace {

// Pairs per unit of work: in float64 a few MB at rank 4 and width 576, so that a unit stays near the cache.
constexpr std::int64_t kPairsPerUnit = 64;

std::string shape_text(const at::Tensor& tensor) {
  std::ostringstream out;
  out << tensor.sizes();
  return out.str();
}

[[noreturn]] void refuse(const std::string& what, std::int64_t pair, std::int64_t pairs,
                         std::string hint = {}) {
  const std::string where = pairs > 1 ? " (pair " + std::to_string(pair) + ")" : "";
  throw Error(ErrorKind::kInvalidArgument, what + where, std::move(hint));
}

void check_shapes(const at::Tensor& a, const at::Tensor& b, std::int64_t pair, std::int64_t pairs) {
  if (!a.defined() || !b.defined()) refuse("a LoRA factor is absent", pair, pairs);
  if (!a.is_floating_point() || !b.is_floating_point()) refuse("a LoRA factor is not floating", pair, pairs);
  if (a.dim() != 2 || b.dim() != 2 || a.size(0) != b.size(1) || a.numel() == 0 || b.numel() == 0) {
    refuse("A " + shape_text(a) + " and B " + shape_text(b) + " are not (r, in) and (out, r)", pair, pairs);
  }
}

// Those of `tensors` that `members` name, as float64 in memory.
at::Tensor stacked(std::span<const at::Tensor> tensors, std::span<const std::int64_t> members) {
  std::vector<at::Tensor> unit;
  for (const std::int64_t i : members) unit.push_back(tensors[i].to(at::kCPU));
  return at::stack(unit).to(at::kDouble);
}

// The rows of `v` (n, in) at length 1, as float32, each with its largest entry positive.
at::Tensor normalized(const at::Tensor& v) {
  const at::Tensor largest = v.gather(1, v.abs().argmax(1, /*keepdim=*/true));
  const at::Tensor scale = largest.sign() / at::linalg_vector_norm(v, 2, {1}, /*keepdim=*/true);
  return (v * scale).to(at::kFloat);
}

// `a` (n, r, in) and `b` (n, out, r) float64; returns unit vectors (n, in) float32. `members` are the pairs'
// numbers, for messages.
//
// With A^T = Q_A R_A and B = Q_B R_B the product is B A = Q_B (R_B R_A^T) Q_A^T. For the top left singular
// vector u and value s of the core, v = (B A)^T Q_B u / s = A^T R_B^T u / s: neither Q is needed.
at::Tensor vectors_by_qr(const at::Tensor& a, const at::Tensor& b, std::span<const std::int64_t> members,
                         std::int64_t pairs) {
  const at::Tensor r_a = std::get<1>(at::linalg_qr(a.transpose(1, 2), "r"));  // (n, min(in, r), r)
  const at::Tensor r_b = std::get<1>(at::linalg_qr(b, "r"));                  // (n, min(out, r), r)
  const auto [u, s, vh] = at::linalg_svd(at::bmm(r_b, r_a.transpose(1, 2)), /*full_matrices=*/false);

  const at::Tensor top = s.select(1, 0);  // (n)
  // Below this the core is the rounding error of a product that is zero.
  const at::Tensor noise =
      at::linalg_vector_norm(r_a, 2, {{1, 2}}) * at::linalg_vector_norm(r_b, 2, {{1, 2}}) * 1e-14;
  const at::Tensor zero = (top <= noise).contiguous();
  for (std::int64_t i = 0; i < zero.size(0); ++i) {
    if (zero.data_ptr<bool>()[i]) {
      refuse("zero update: B A is 0 and has no direction", members[i], pairs, "train the expert first");
    }
  }
  const at::Tensor weights = at::bmm(u.select(2, 0).unsqueeze(1), r_b);  // (n, 1, r)
  return normalized(at::bmm(weights, a).squeeze(1));
}

// As `vectors_by_qr`, from Gram matrices (r, r): with B^T B = L L^T, each eigenvector z of L^T A A^T L with
// value s^2 gives v = A^T L z / s. Squaring doubles the digits that cancel, so an undefined tensor is
// returned, and nothing is known, if B's columns depend on each other, s is small beside the norms of A and
// B, or a number is not finite.
at::Tensor vectors_by_gram(const at::Tensor& a, const at::Tensor& b) {
  constexpr double kSmallest = 1e-6;  // of s^2 / (|A|^2 |B|^2), Frobenius: leaves 1e-10 of the direction
  const at::Tensor gram_a = at::bmm(a, a.transpose(1, 2)), gram_b = at::bmm(b.transpose(1, 2), b);
  const auto trace = [](const at::Tensor& gram) { return gram.diagonal(0, 1, 2).sum(1); };
  const at::Tensor size = trace(gram_a) * trace(gram_b);  // (n)
  if (!size.isfinite().all().item<bool>()) return {};
  const auto [l, info] = at::linalg_cholesky_ex(gram_b);
  if (info.any().item<bool>()) return {};
  const auto [values, z] = at::linalg_eigh(at::bmm(l.transpose(1, 2), at::bmm(gram_a, l)));
  const at::Tensor top = values.select(1, -1);  // (n)
  if (!(top > kSmallest * size).all().item<bool>()) return {};
  return normalized(at::bmm(at::bmm(l, z.narrow(2, z.size(2) - 1, 1)).transpose(1, 2), a).squeeze(1));
}

}  // namespace

at::Tensor arrow_prototype(const at::Tensor& a, const at::Tensor& b) {
  return arrow_prototypes({&a, 1}, {&b, 1}).front();
}

std::vector<at::Tensor> arrow_prototypes(std::span<const at::Tensor> a, std::span<const at::Tensor> b) {
  const std::int64_t pairs = static_cast<std::int64_t>(a.size());
  if (a.size() != b.size()) {
    throw Error(ErrorKind::kInvalidArgument,
                std::to_string(a.size()) + " factors A but " + std::to_string(b.size()) + " factors B");
  }
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, std::vector<std::int64_t>> by_shape;
  for (std::int64_t i = 0; i < pairs; ++i) {
    check_shapes(a[i], b[i], i, pairs);
    by_shape[{a[i].size(0), a[i].size(1), b[i].size(0)}].push_back(i);
  }
  std::vector<std::span<const std::int64_t>> units;
  for (const auto& [shape, members] : by_shape) {
    for (std::size_t start = 0; start < members.size(); start += kPairsPerUnit) {
      const std::size_t count = std::min<std::size_t>(kPairsPerUnit, members.size() - start);
      units.push_back(std::span(members).subspan(start, count));
    }
  }

  std::vector<at::Tensor> prototypes(a.size());
  at::parallel_for(0, static_cast<std::int64_t>(units.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    const at::NoGradGuard no_grad;
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const at::Tensor stacked_a = stacked(a, units[unit]), stacked_b = stacked(b, units[unit]);
      at::Tensor vectors = vectors_by_gram(stacked_a, stacked_b);
      if (!vectors.defined()) {
        for (std::size_t i = 0; i < units[unit].size(); ++i) {
          const auto row = static_cast<std::int64_t>(i);
          if (all_finite(stacked_a[row]) && all_finite(stacked_b[row])) continue;
          refuse("a LoRA factor holds a number that is not finite", units[unit][i], pairs);
        }
        vectors = vectors_by_qr(stacked_a, stacked_b, units[unit], pairs);
      }
      for (std::size_t i = 0; i < units[unit].size(); ++i) {
        prototypes[units[unit][i]] = vectors[static_cast<std::int64_t>(i)];
      }
    }
  });
  return prototypes;
}

at::Tensor power_iteration_prototype(const at::Tensor& a, const at::Tensor& b, std::uint64_t seed) {
  constexpr int kIterations = 15;
  constexpr double kEpsilon = 1e-8;
  check_shapes(a, b, 0, 1);
  const at::NoGradGuard no_grad;
  const at::Tensor a32 = a.to(at::kCPU, at::kFloat), b32 = b.to(at::kCPU, at::kFloat);
  if (!all_finite(a32) || !all_finite(b32)) refuse("a LoRA factor holds a number that is not finite", 0, 1);
  const at::Tensor core = at::mm(b32.t(), b32);  // (r, r)
  at::Tensor v = at::randn({a32.size(1)}, at::detail::createCPUGenerator(seed));
  v = v / (v.norm() + kEpsilon);
  for (int i = 0; i < kIterations; ++i) {
    v = at::mv(a32.t(), at::mv(core, at::mv(a32, v)));
    v = v / (v.norm() + kEpsilon);
  }
  if (!v.any().item<bool>())
    refuse("zero update: B A is 0 and has no direction", 0, 1, "train the expert first");
  return v;
}

void check_prototypes(const at::Tensor& prototypes, std::span<const std::string> expert_names,
                      const std::string& slot) {
  const std::string hint =
      "compute them: quiver prototypes arrow LIBRARY, or quiver prototypes phatgoose LIBRARY -c FILE";
  const std::int64_t experts = static_cast<std::int64_t>(expert_names.size());
  const std::int64_t rows =
      prototypes.defined() && prototypes.dim() == 2 && prototypes.size(1) > 0 ? prototypes.size(0) : 0;
  if (rows < experts) {
    throw Error(ErrorKind::kInvalidArgument,
                "expert '" + expert_names[rows] + "' has no prototype in slot '" + slot + "'", hint);
  }
  if (rows > experts) {
    throw Error(ErrorKind::kInvalidArgument, "slot '" + slot + "' has " + std::to_string(rows) +
                                                 " prototypes for " + std::to_string(experts) + " experts");
  }
  if (experts == 0) return;
  // inf and NaN survive the maximum, so one pass over the numbers finds every defect.
  const at::Tensor largest = prototypes.abs().amax(1).to(at::kCPU, at::kDouble).contiguous();  // (E)
  for (std::int64_t e = 0; e < experts; ++e) {
    const double value = largest.data_ptr<double>()[e];
    if (value > 0 && std::isfinite(value)) continue;
    const std::string defect = value == 0 ? "is all zeros" : "holds a number that is not finite";
    throw Error(ErrorKind::kInvalidArgument,
                "the prototype of expert '" + expert_names[e] + "' in slot '" + slot + "' " + defect, hint);
  }
}

}  // namespace quiver
