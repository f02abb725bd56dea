#include "kernels/mixture_reference.h"

#include <limits>
#include <sstream>

#include "kernels/top_k.h"
#include "quiver/error.h"

namespace quiver {
namespace {

// 1 for the k largest of each row, equal ones by number, NaN last.
at::Tensor largest(const at::Tensor& values, std::int64_t k) {
  const at::Tensor rows = values.to(at::kCPU, at::kFloat).contiguous();
  at::Tensor chosen = at::empty({rows.size(0), k}, at::kLong);
  for (std::int64_t t = 0; t < rows.size(0); ++t) {
    choose_largest(rows.const_data_ptr<float>() + t * rows.size(1), rows.size(1), k,
                   chosen.mutable_data_ptr<std::int64_t>() + t * k);
  }
  return at::zeros(rows.sizes(), at::kBool).scatter_(1, chosen, true).to(values.device());
}

at::Tensor padded(const at::Tensor& factor, std::int64_t rank) {
  return at::constant_pad_nd(factor.to(at::kFloat), {0, 0, 0, rank - factor.size(0)});
}

}  // namespace

at::Tensor standardized_rows(const at::Tensor& rows) {
  return at::layer_norm(rows.to(at::kFloat), {rows.size(1)}, {}, {}, 1e-5);
}

at::Tensor mixture_logits(const at::Tensor& x, const at::Tensor& vectors, const MixtureRule& rule,
                          std::int64_t slot) {
  if (x.dim() != 2 || vectors.dim() != 2 || x.size(1) != vectors.size(1)) {
    std::ostringstream out;
    out << "tokens " << x.sizes() << " do not fit prototypes " << vectors.sizes()
        << "; both need the same width";
    throw Error(ErrorKind::kInvalidArgument, out.str());
  }
  at::Tensor rows = x.to(at::kFloat);
  if (rule.input == RouterInput::kUnit)
    rows = rows / at::linalg_vector_norm(rows, 2, {1}, /*keepdim=*/true).clamp_min(1e-12);
  if (rule.input == RouterInput::kStandardized) rows = standardized_rows(rows);
  const at::Tensor products = at::mm(rows, vectors.to(rows.options()).t())
                                  .view({x.size(0), vectors.size(0) / rule.vectors, rule.vectors});
  const at::Tensor first = products.select(2, 0);  // (T, E)
  at::Tensor logits = first;
  if (rule.logits == LogitKind::kAbsolute) logits = first.abs();
  if (rule.logits == LogitKind::kNorm) logits = at::linalg_vector_norm(products, 2, {2});
  logits = logits / rule.temperature;
  for (std::int64_t e = 0; e < logits.size(1) && !rule.lines.empty(); ++e) {
    const LogitLine& line = rule.lines[static_cast<std::size_t>(slot * logits.size(1) + e)];
    logits.select(1, e).mul_(line.slope).add_(line.offset);
  }
  if (!rule.prior.empty()) logits = logits + at::tensor(rule.prior).to(logits.device());
  if (rule.prefilter <= 0 || rule.prefilter >= logits.size(1)) return logits;
  return logits.masked_fill(~largest(first.abs(), rule.prefilter), -std::numeric_limits<double>::infinity());
}

at::Tensor mixture_weights(const at::Tensor& logits, const MixtureRule& rule) {
  const std::int64_t experts = logits.size(1), k = rule.top_k > 0 ? rule.top_k : experts;
  if (k > experts) {
    throw Error(ErrorKind::kInvalidArgument,
                "top_k " + std::to_string(k) + " is above the number of experts, " + std::to_string(experts));
  }
  const at::Tensor values = logits.to(at::kFloat);
  const at::Tensor kept = largest(values, k);
  if (rule.equal_weights) {
    const at::Tensor open = (kept & (values != -std::numeric_limits<double>::infinity())).to(at::kFloat);
    return open / open.sum(1, true);
  }
  if (rule.kept_sum_epsilon == 0)
    return at::softmax(values.masked_fill(~kept, -std::numeric_limits<double>::infinity()), 1);
  const at::Tensor weights = at::softmax(values, 1) * kept;
  return weights / (weights.sum(1, true) + rule.kept_sum_epsilon);
}

at::Tensor mixture_update(const at::Tensor& x, const MixtureSlot& slot, const at::Tensor& weights,
                          bool merge_before) {
  const at::Tensor rows = x.to(at::kFloat);
  at::Tensor hidden = at::zeros({x.size(0), slot.rank()}, rows.options());
  at::Tensor update = at::zeros({x.size(0), slot.out()}, rows.options());
  const auto weight = [&](std::size_t e) {
    return weights.select(1, static_cast<std::int64_t>(e)).unsqueeze(1);
  };
  const auto projected = [&](const LoraFactors& factors) {
    return at::mm(rows, padded(factors.a, slot.rank()).to(rows.device()).t());
  };
  for (std::size_t e = 0; merge_before && e < slot.experts().size(); ++e) {
    if (slot.experts()[e].a.defined()) hidden = hidden + weight(e) * projected(slot.experts()[e]);
  }
  for (std::size_t e = 0; e < slot.experts().size(); ++e) {
    const LoraFactors& factors = slot.experts()[e];
    if (!factors.a.defined()) continue;
    const at::Tensor own = merge_before ? hidden : projected(factors);
    update = update + weight(e) * at::mm(own, padded(factors.b, slot.rank()).to(rows.device()));
  }
  return update;
}

void add_mixture_reference(at::Tensor& y, const at::Tensor& x, const at::Tensor& vectors,
                           std::span<const MixtureSlot> slots, const MixtureRule& rule, at::Tensor* weights) {
  std::int64_t first = 0;
  for (std::size_t s = 0; s < slots.size(); ++s) {
    const MixtureSlot& slot = slots[s];
    const std::int64_t count = slot.count() * rule.vectors;
    const at::Tensor used = mixture_weights(
        mixture_logits(x, vectors.narrow(0, first, count), rule, static_cast<std::int64_t>(s)), rule);
    y.narrow(1, slot.column(), slot.out())
        .add_(mixture_update(x, slot, used, rule.merge_before).to(y.options()));
    if (weights != nullptr) weights->select(1, static_cast<std::int64_t>(s)).copy_(used);
    first += count;
  }
}

void add_weighted_reference(at::Tensor& y, const at::Tensor& x, std::span<const MixtureSlot> slots,
                            std::span<const float> weights) {
  const at::Tensor used = at::tensor(weights, at::kFloat)
                              .to(x.device())
                              .expand({x.size(0), static_cast<std::int64_t>(weights.size())});
  for (const MixtureSlot& slot : slots)
    y.narrow(1, slot.column(), slot.out()).add_(mixture_update(x, slot, used, false).to(y.options()));
}

}  // namespace quiver
