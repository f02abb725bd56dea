#include "kernels/mixture.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/check.h"
#include "kernels/dot_products.h"
#include "kernels/fused.h"
#include "kernels/linear.h"
#include "kernels/row_loops.h"
#include "kernels/top_k.h"

namespace quiver {
namespace {

constexpr float kStandardizeEps = 1e-5f;  // as LayerNorm in both PhatGOOSE implementations
constexpr std::int64_t kBlockRows = 512;  // tokens that share the reading of an expert; measured
constexpr std::int64_t kFewRows = 64;     // see add_mixture

// Mixes one slot for a block of rows at a time. Every token has `top_k` pairs (token, expert); pairs are
// visited expert by expert, so that an expert's factors are read once a block. Scratch of one thread.
class BlockMixer {
 public:
  explicit BlockMixer(const MixtureRule& rule)
      : top_k_(rule.top_k),
        merge_before_(rule.merge_before),
        equal_weights_(rule.equal_weights),
        epsilon_(static_cast<float>(rule.kept_sum_epsilon)) {}

  // Chooses experts and weights from the block's logits, rows `stride` apart.
  void route(const float* logits, std::int64_t stride, std::int64_t rows, std::int64_t experts) {
    resize(rows);
    for (std::int64_t row = 0; row < rows; ++row, logits += stride) {
      std::int32_t* chosen = &expert_[static_cast<std::size_t>(row * top_k_)];
      float* weight = &weight_[static_cast<std::size_t>(row * top_k_)];
      choose_largest(logits, experts, top_k_, chosen);
      if (equal_weights_) {
        const auto is_open = [&](std::int32_t e) {
          return !(logits[e] == -std::numeric_limits<float>::infinity());
        };
        const auto open = std::count_if(chosen, chosen + top_k_, is_open);
        for (std::int64_t j = 0; j < top_k_; ++j)
          weight[j] = is_open(chosen[j]) ? 1.0f / static_cast<float>(open) : 0.0f;
        continue;
      }
      const float largest = logits[chosen[0]];
      float sum = 0;
      for (std::int64_t j = 0; j < top_k_; ++j) sum += weight[j] = std::exp(logits[chosen[j]] - largest);
      if (epsilon_ > 0) {
        float all = 0;
        for (std::int64_t e = 0; e < experts; ++e) all += std::exp(logits[e] - largest);
        sum += epsilon_ * all;
      }
      for (std::int64_t j = 0; j < top_k_; ++j) weight[j] /= sum;
    }
  }

  // Every row uses expert j with weights[j].
  void route_all(std::int64_t rows, std::span<const float> weights) {
    resize(rows);
    for (std::size_t pair = 0; pair < expert_.size(); ++pair) {
      expert_[pair] = static_cast<std::int32_t>(pair % weights.size());
      weight_[pair] = weights[pair % weights.size()];
    }
  }

  // Writes the weights of the rows routed last into rows of `dense`, `stride` apart.
  void record(float* dense, std::int64_t stride) const {
    for (std::size_t pair = 0; pair < expert_.size(); ++pair)
      dense[static_cast<std::int64_t>(pair) / top_k_ * stride + expert_[pair]] = weight_[pair];
  }

  // y += the mixture, for the rows routed last.
  void add(const MixtureSlot& slot, const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride) {
    sort_by_expert(slot.count());
    hidden_.assign(expert_.size() * static_cast<std::size_t>(slot.rank()), 0.0f);
    project(slot, x, x_stride);
    weigh(slot.rank());
    for (std::size_t e = 0; e < slot.experts().size(); ++e) {
      if (begin_[e] == begin_[e + 1] || !slot.experts()[e].b.defined()) continue;
      const at::Tensor& factor = slot.experts()[e].b;
      const float* b = factor.const_data_ptr<float>();
      for (std::int64_t i = begin_[e]; i < begin_[e + 1]; ++i) {
        const std::int64_t pair = order_[static_cast<std::size_t>(i)];
        row_loops::add_scaled_rows(b, factor.size(0), hidden(pair, slot.rank()), slot.out(),
                                   y + pair / top_k_ * y_stride);
      }
    }
  }

 private:
  void resize(std::int64_t rows) {
    expert_.resize(static_cast<std::size_t>(rows * top_k_));
    weight_.resize(expert_.size());
  }

  float* hidden(std::int64_t pair, std::int64_t rank) {
    return hidden_.data() + static_cast<std::size_t>(pair * rank);
  }

  // Counting sort: order_[begin_[e]] .. are the pairs of expert e, by token.
  void sort_by_expert(std::int64_t experts) {
    begin_.assign(static_cast<std::size_t>(experts + 1), 0);
    for (const std::int32_t e : expert_) ++begin_[static_cast<std::size_t>(e) + 1];
    std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
    next_.assign(begin_.begin(), begin_.end());
    order_.resize(expert_.size());
    for (std::size_t pair = 0; pair < expert_.size(); ++pair)
      order_[static_cast<std::size_t>(next_[static_cast<std::size_t>(expert_[pair])]++)] =
          static_cast<std::int32_t>(pair);
  }

  // hidden (pairs, r) = A_e x of each pair; rows beyond an expert's rank stay 0.
  void project(const MixtureSlot& slot, const float* x, std::int64_t x_stride) {
    constexpr std::int64_t kTogether = 8;
    for (std::size_t e = 0; e < slot.experts().size(); ++e) {
      const std::int64_t end = begin_[e + 1];
      if (begin_[e] == end || !slot.experts()[e].a.defined()) continue;
      const at::Tensor& factor = slot.experts()[e].a;
      const float* a = factor.const_data_ptr<float>();
      for (std::int64_t i = begin_[e]; i < end; i += kTogether) {
        const float* rows[kTogether];
        float* results[kTogether];
        const std::int64_t count = std::min(kTogether, end - i);
        for (std::int64_t j = 0; j < count; ++j) {
          const std::int64_t pair = order_[static_cast<std::size_t>(i + j)];
          rows[j] = x + pair / top_k_ * x_stride;
          results[j] = hidden(pair, slot.rank());
        }
        row_loops::dot_products(rows, count, a, slot.in(), factor.size(0), slot.in(), results);
      }
    }
  }

  // hidden -> w_e h_e, or w_e sum_f(w_f h_f): what B_e is to be multiplied with.
  void weigh(std::int64_t rank) {
    const auto pairs = static_cast<std::int64_t>(expert_.size());
    for (std::int64_t pair = 0; pair < pairs; ++pair) {
      for (std::int64_t r = 0; r < rank; ++r)
        hidden(pair, rank)[r] *= weight_[static_cast<std::size_t>(pair)];
    }
    if (!merge_before_) return;
    for (std::int64_t first = 0; first < pairs; first += top_k_) {
      for (std::int64_t r = 0; r < rank; ++r) {
        float sum = 0;
        for (std::int64_t j = 0; j < top_k_; ++j) sum += hidden(first + j, rank)[r];
        for (std::int64_t j = 0; j < top_k_; ++j)
          hidden(first + j, rank)[r] = weight_[static_cast<std::size_t>(first + j)] * sum;
      }
    }
  }

  std::int64_t top_k_;
  bool merge_before_, equal_weights_;
  float epsilon_;
  std::vector<std::int32_t> expert_;  // (rows, top_k)
  std::vector<float> weight_;         // (rows, top_k)
  std::vector<float> hidden_;         // (rows, top_k, r)
  std::vector<std::int64_t> begin_, next_;
  std::vector<std::int32_t> order_;
};

// Of one token: products with every routing vector of `experts` experts -> logits, one an expert, in front.
class LogitMaker {
 public:
  explicit LogitMaker(const MixtureRule& rule) : rule_(rule) {}

  // 1 / (temperature times what the input is divided by).
  float factor(const float* x, std::int64_t width) const {
    const auto factor = static_cast<float>(1.0 / rule_.temperature);
    switch (rule_.input) {
      case RouterInput::kPlain:
        return factor;
      case RouterInput::kUnit:
        return factor / std::max(std::sqrt(row_loops::dot(x, x, width)), kSmallestNorm);
      case RouterInput::kStandardized:
        return factor / std::sqrt(row_loops::variance(x, width) + kStandardizeEps);
    }
    QUIVER_CHECK(false, "unknown router input");
  }

  void make(float* products, std::int64_t slot, std::int64_t experts, float factor) {
    if (rule_.vectors == 1 && rule_.lines.empty() && rule_.prior.empty() && rule_.prefilter <= 0) {
      if (rule_.logits == LogitKind::kSigned) {
        for (std::int64_t e = 0; e < experts; ++e) products[e] *= factor;
      } else {
        for (std::int64_t e = 0; e < experts; ++e) products[e] = std::fabs(products[e]) * factor;
      }
      return;
    }
    if (rule_.prefilter > 0 && rule_.prefilter < experts) choose_first(products, experts);
    for (std::int64_t e = 0; e < experts; ++e) {
      const float* own = products + e * rule_.vectors;
      float logit = *own;
      if (rule_.logits == LogitKind::kAbsolute) logit = std::fabs(logit);
      if (rule_.logits == LogitKind::kNorm) {
        float square = 0;
        for (std::int64_t v = 0; v < rule_.vectors; ++v) square += own[v] * own[v];
        logit = std::sqrt(square);
      }
      logit *= factor;
      if (!rule_.lines.empty()) {
        const LogitLine& line = rule_.lines[static_cast<std::size_t>(slot * experts + e)];
        logit = logit * line.slope + line.offset;
      }
      if (!rule_.prior.empty()) logit += rule_.prior[static_cast<std::size_t>(e)];
      products[e] = logit;
    }
    if (rule_.prefilter <= 0 || rule_.prefilter >= experts) return;
    for (std::int64_t e = 0; e < experts; ++e) {
      if (!is_kept_[static_cast<std::size_t>(e)]) products[e] = -std::numeric_limits<float>::infinity();
    }
  }

 private:
  static constexpr float kSmallestNorm = 1e-12f;  // as torch.nn.functional.normalize

  void choose_first(const float* products, std::int64_t experts) {
    first_.resize(static_cast<std::size_t>(experts));
    for (std::int64_t e = 0; e < experts; ++e)
      first_[static_cast<std::size_t>(e)] = std::fabs(products[e * rule_.vectors]);
    chosen_.resize(static_cast<std::size_t>(rule_.prefilter));
    choose_largest(first_.data(), experts, rule_.prefilter, chosen_.data());
    is_kept_.assign(static_cast<std::size_t>(experts), 0);
    for (const std::int32_t e : chosen_) is_kept_[static_cast<std::size_t>(e)] = 1;
  }

  const MixtureRule& rule_;
  std::vector<float> first_;
  std::vector<std::int32_t> chosen_;
  std::vector<char> is_kept_;
};

// work(first row, last row) for blocks of rows, on all threads; `row_floats`: multiplications of a row.
template <typename Work>
void for_each_block(std::int64_t rows, std::int64_t row_floats, const Work& work) {
  at::parallel_for(0, rows, row_grain(row_floats), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t first = begin; first < end; first += kBlockRows)
      work(first, std::min(end, first + kBlockRows));
  });
}

void check(const at::Tensor& y, const at::Tensor& x, std::span<const MixtureSlot> slots) {
  QUIVER_CHECK(y.scalar_type() == at::kFloat && x.scalar_type() == at::kFloat && y.size(0) == x.size(0) &&
                   y.stride(1) == 1 && x.stride(1) == 1,
               "y ", y.sizes(), ", x ", x.sizes());
  for (const MixtureSlot& slot : slots) {
    QUIVER_CHECK(slot.in() == x.size(1) && slot.column() + slot.out() <= y.size(1), "in ", slot.in(),
                 ", out ", slot.out(), ", column ", slot.column(), ", x ", x.sizes(), ", y ", y.sizes());
  }
}

std::int64_t row_work(std::span<const MixtureSlot> slots, std::int64_t top_k) {
  std::int64_t floats = 0;
  for (const MixtureSlot& slot : slots)
    floats += top_k * slot.rank() * (slot.in() + slot.out()) + slot.count();
  return floats;
}

}  // namespace

MixtureSlot::MixtureSlot(std::vector<LoraFactors> experts, std::int64_t column)
    : experts_(std::move(experts)), column_(column) {
  for (const LoraFactors& factors : experts_) {
    QUIVER_CHECK(factors.a.defined() == factors.b.defined(), "half an expert");
    if (!factors.a.defined()) continue;
    if (rank_ == 0) in_ = factors.a.size(1), out_ = factors.b.size(1);
    rank_ = std::max(rank_, factors.a.size(0));
    QUIVER_CHECK(fused_kernel_applies(factors.a) && fused_kernel_applies(factors.b) &&
                     factors.a.size(0) == factors.b.size(0) && factors.a.size(1) == in_ &&
                     factors.b.size(1) == out_,
                 "a ", factors.a.sizes(), ", b ", factors.b.sizes());
  }
  QUIVER_CHECK(rank_ > 0, "no expert adapts the layer");
}

void add_mixture(at::Tensor& y, const at::Tensor& x, const at::Tensor& vectors,
                 std::span<const MixtureSlot> slots, const MixtureRule& rule, at::Tensor* weights) {
  check(y, x, slots);
  std::int64_t width = 0;  // of products
  for (const MixtureSlot& slot : slots) {
    width += slot.count() * rule.vectors;
    QUIVER_CHECK(rule.top_k >= 1 && rule.top_k <= slot.count() && slot.count() == slots[0].count(), "top_k ",
                 rule.top_k);
  }
  QUIVER_CHECK(rule.lines.empty() || rule.lines.size() == slots.size() * slots[0].experts().size(), "lines ",
               rule.lines.size());
  QUIVER_CHECK(fused_kernel_applies(vectors) && vectors.sizes() == at::IntArrayRef({width, x.size(1)}),
               "vectors ", vectors.sizes());
  // A blocked product for many rows; for a few, each thread makes those of its rows, and waits for nobody.
  const bool is_product_apart = x.size(0) > kFewRows;
  at::Tensor products =
      is_product_apart ? frozen_linear(x, vectors) : at::empty({x.size(0), width}, x.options());
  const float* x_data = x.const_data_ptr<float>();
  float* y_data = y.mutable_data_ptr<float>();
  float* products_data = products.mutable_data_ptr<float>();
  float* weights_data = weights == nullptr ? nullptr : weights->mutable_data_ptr<float>();
  const std::int64_t experts = slots[0].count(), recorded = static_cast<std::int64_t>(slots.size()) * experts;
  const std::int64_t work = row_work(slots, rule.top_k) + (is_product_apart ? 0 : vectors.numel());
  for_each_block(x.size(0), work, [&](std::int64_t first, std::int64_t last) {
    const float* x_rows = x_data + first * x.stride(0);
    float* y_rows = y_data + first * y.stride(0);
    float* logits = products_data + first * width;
    if (!is_product_apart)
      row_loops::dot_products(x_rows, x.stride(0), last - first, vectors.const_data_ptr<float>(), width,
                              x.size(1), logits);
    LogitMaker maker(rule);
    for (std::int64_t row = 0; row < last - first; ++row) {
      const float factor = maker.factor(x_rows + row * x.stride(0), x.size(1));
      for (std::size_t s = 0; s < slots.size(); ++s)
        maker.make(logits + row * width + static_cast<std::int64_t>(s) * experts * rule.vectors,
                   static_cast<std::int64_t>(s), experts, factor);
    }
    BlockMixer mixer(rule);
    for (std::size_t s = 0; s < slots.size(); ++s, logits += experts * rule.vectors) {
      mixer.route(logits, width, last - first, experts);
      if (weights_data != nullptr)
        mixer.record(weights_data + first * recorded + static_cast<std::int64_t>(s) * experts, recorded);
      mixer.add(slots[s], x_rows, x.stride(0), y_rows + slots[s].column(), y.stride(0));
    }
  });
}

void add_weighted(at::Tensor& y, const at::Tensor& x, std::span<const MixtureSlot> slots,
                  std::span<const float> weights) {
  check(y, x, slots);
  const float* x_data = x.const_data_ptr<float>();
  float* y_data = y.mutable_data_ptr<float>();
  const auto count = static_cast<std::int64_t>(weights.size());
  for_each_block(x.size(0), row_work(slots, count), [&](std::int64_t first, std::int64_t last) {
    BlockMixer mixer(MixtureRule{.top_k = count});
    mixer.route_all(last - first, weights);
    for (const MixtureSlot& slot : slots)
      mixer.add(slot, x_data + first * x.stride(0), x.stride(0), y_data + first * y.stride(0) + slot.column(),
                y.stride(0));
  });
}

}  // namespace quiver
