#include "kernels/mixture.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
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

// One layer's experts as pointers.
struct Experts {
  const float* a;
  const float* b;
  std::int64_t count, rank, in, out;

  explicit Experts(const MixtureSlot& slot)
      : a(slot.a.const_data_ptr<float>()),
        b(slot.b.const_data_ptr<float>()),
        count(slot.a.size(0)),
        rank(slot.a.size(1)),
        in(slot.a.size(2)),
        out(slot.b.size(2)) {}
};

// Mixes one slot for a block of rows at a time. Every token has `top_k` pairs (token, expert); pairs are
// visited expert by expert, so that an expert's factors are read once a block. Scratch of one thread.
class BlockMixer {
 public:
  explicit BlockMixer(const MixtureRule& rule)
      : top_k_(rule.top_k),
        merge_before_(rule.merge_before),
        epsilon_(static_cast<float>(rule.kept_sum_epsilon)) {}

  // Chooses experts and weights from the block's logits, rows `stride` apart.
  void route(const float* logits, std::int64_t stride, std::int64_t rows, std::int64_t experts) {
    resize(rows);
    for (std::int64_t row = 0; row < rows; ++row, logits += stride) {
      std::int32_t* chosen = &expert_[static_cast<std::size_t>(row * top_k_)];
      float* weight = &weight_[static_cast<std::size_t>(row * top_k_)];
      choose_largest(logits, experts, top_k_, chosen);
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

  void route_to_first(std::int64_t rows) {
    resize(rows);
    std::fill(expert_.begin(), expert_.end(), 0);
    std::fill(weight_.begin(), weight_.end(), 1.0f);
  }

  // y += the mixture, for the rows routed last.
  void add(const Experts& experts, const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride) {
    sort_by_expert(experts.count);
    hidden_.resize(expert_.size() * static_cast<std::size_t>(experts.rank));
    project(experts, x, x_stride);
    weigh(experts.rank);
    for (std::int64_t e = 0; e < experts.count; ++e) {
      const float* b = experts.b + e * experts.rank * experts.out;
      for (std::int64_t i = begin_[static_cast<std::size_t>(e)]; i < begin_[static_cast<std::size_t>(e + 1)];
           ++i) {
        const std::int64_t pair = order_[static_cast<std::size_t>(i)];
        row_loops::add_scaled_rows(b, experts.rank, hidden(pair, experts.rank), experts.out,
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

  // hidden (pairs, r) = A_e x of each pair.
  void project(const Experts& experts, const float* x, std::int64_t x_stride) {
    constexpr std::int64_t kTogether = 8;
    for (std::int64_t e = 0; e < experts.count; ++e) {
      const std::int64_t end = begin_[static_cast<std::size_t>(e + 1)];
      for (std::int64_t i = begin_[static_cast<std::size_t>(e)]; i < end; i += kTogether) {
        const float* rows[kTogether];
        float* results[kTogether];
        const std::int64_t count = std::min(kTogether, end - i);
        for (std::int64_t j = 0; j < count; ++j) {
          const std::int64_t pair = order_[static_cast<std::size_t>(i + j)];
          rows[j] = x + pair / top_k_ * x_stride;
          results[j] = hidden(pair, experts.rank);
        }
        row_loops::dot_products(rows, count, experts.a + e * experts.rank * experts.in, experts.in,
                                experts.rank, experts.in, results);
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
  bool merge_before_;
  float epsilon_;
  std::vector<std::int32_t> expert_;  // (rows, top_k)
  std::vector<float> weight_;         // (rows, top_k)
  std::vector<float> hidden_;         // (rows, top_k, r)
  std::vector<std::int64_t> begin_, next_;
  std::vector<std::int32_t> order_;
};

// Products of one token with every routing vector -> logits.
void logits_from_products(float* products, std::int64_t count, const float* x, std::int64_t width,
                          const MixtureRule& rule) {
  auto factor = static_cast<float>(1.0 / rule.temperature);
  if (rule.logits == LogitKind::kAbsolute) {
    for (std::int64_t i = 0; i < count; ++i) products[i] = std::fabs(products[i]) * factor;
  } else {
    factor /= std::sqrt(row_loops::variance(x, width) + kStandardizeEps);
    for (std::int64_t i = 0; i < count; ++i) products[i] *= factor;
  }
}

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
    QUIVER_CHECK(fused_kernel_applies(slot.a) && fused_kernel_applies(slot.b) &&
                     slot.a.size(2) == x.size(1) && slot.a.size(0) == slot.b.size(0) &&
                     slot.a.size(1) == slot.b.size(1) && slot.column + slot.b.size(2) <= y.size(1),
                 "a ", slot.a.sizes(), ", b ", slot.b.sizes(), ", x ", x.sizes(), ", y ", y.sizes());
  }
}

std::int64_t row_work(std::span<const MixtureSlot> slots, std::int64_t top_k) {
  std::int64_t floats = 0;
  for (const MixtureSlot& slot : slots)
    floats += top_k * slot.a.size(1) * (slot.a.size(2) + slot.b.size(2)) + slot.a.size(0);
  return floats;
}

}  // namespace

void add_mixture(at::Tensor& y, const at::Tensor& x, const at::Tensor& vectors,
                 std::span<const MixtureSlot> slots, const MixtureRule& rule) {
  check(y, x, slots);
  std::int64_t width = 0;  // of logits
  for (const MixtureSlot& slot : slots) {
    width += slot.a.size(0);
    QUIVER_CHECK(rule.top_k >= 1 && rule.top_k <= slot.a.size(0), "top_k ", rule.top_k);
  }
  QUIVER_CHECK(fused_kernel_applies(vectors) && vectors.sizes() == at::IntArrayRef({width, x.size(1)}),
               "vectors ", vectors.sizes());
  // A blocked product for many rows; for a few, each thread makes those of its rows, and waits for nobody.
  const bool is_product_apart = x.size(0) > kFewRows;
  at::Tensor products =
      is_product_apart ? frozen_linear(x, vectors) : at::empty({x.size(0), width}, x.options());
  const float* x_data = x.const_data_ptr<float>();
  float* y_data = y.mutable_data_ptr<float>();
  float* products_data = products.mutable_data_ptr<float>();
  const std::int64_t work = row_work(slots, rule.top_k) + (is_product_apart ? 0 : vectors.numel());
  for_each_block(x.size(0), work, [&](std::int64_t first, std::int64_t last) {
    const float* x_rows = x_data + first * x.stride(0);
    float* y_rows = y_data + first * y.stride(0);
    float* logits = products_data + first * width;
    if (!is_product_apart)
      row_loops::dot_products(x_rows, x.stride(0), last - first, vectors.const_data_ptr<float>(), width,
                              x.size(1), logits);
    for (std::int64_t row = 0; row < last - first; ++row)
      logits_from_products(logits + row * width, width, x_rows + row * x.stride(0), x.size(1), rule);
    BlockMixer mixer(rule);
    for (const MixtureSlot& slot : slots) {
      const Experts experts(slot);
      mixer.route(logits, width, last - first, experts.count);
      mixer.add(experts, x_rows, x.stride(0), y_rows + slot.column, y.stride(0));
      logits += experts.count;
    }
  });
}

void add_first_expert(at::Tensor& y, const at::Tensor& x, std::span<const MixtureSlot> slots) {
  check(y, x, slots);
  const float* x_data = x.const_data_ptr<float>();
  float* y_data = y.mutable_data_ptr<float>();
  for_each_block(x.size(0), row_work(slots, 1), [&](std::int64_t first, std::int64_t last) {
    BlockMixer mixer(MixtureRule{.top_k = 1});
    mixer.route_to_first(last - first);
    for (const MixtureSlot& slot : slots)
      mixer.add(Experts(slot), x_data + first * x.stride(0), x.stride(0),
                y_data + first * y.stride(0) + slot.column, y.stride(0));
  });
}

}  // namespace quiver
