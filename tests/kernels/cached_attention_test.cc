#include "kernels/attention.h"
#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::max_difference;
using test::random_tensor;

// Sequences of these lengths, run in pieces through caches, must give what they give whole.
class CachedAttentionTest : public testing::TestWithParam<AttentionShape> {
 protected:
  static constexpr std::int64_t kCapacity = 100, kPage = 20, kLayer = 1;
  const std::vector<std::int64_t> lengths_ = {13, 1, 90};
  const AttentionShape shape_ = GetParam();

  void SetUp() override {
    offsets_ = {0, 13, 14, 104};
    qkv_ = random_tensor({104, shape_.qkv_width()}, 1);
    const at::Tensor angle = random_tensor({104, shape_.head_dim / 2}, 2);
    rotary_ = {angle.cos(), angle.sin()};
    whole_ = ragged_attention(qkv_.clone(), rotary_, offsets_, shape_);
    for (std::size_t s = 0; s < lengths_.size(); ++s) {
      pages_[s].clear();
      for (std::int64_t begin = 0; begin < kCapacity; begin += kPage)
        pages_[s].push_back(at::full({kLayer + 1, 2, shape_.kv_heads, kPage, shape_.head_dim}, 777.0));
      caches_.push_back({pages_[s], kLayer, 0});
    }
  }

  // Runs the next count[s] tokens of each sequence and compares with their rows of the whole.
  template <typename Attention>
  void advance(const std::vector<std::int64_t>& count, Attention&& attention) {
    std::vector<std::int64_t> rows, offsets = {0};
    std::vector<KeyValueCache> caches;
    for (std::size_t s = 0; s < lengths_.size(); ++s) {
      for (std::int64_t i = 0; i < count[s]; ++i) rows.push_back(offsets_[s] + caches_[s].length + i);
      offsets.push_back(static_cast<std::int64_t>(rows.size()));
      caches.push_back(caches_[s]);
    }
    const at::Tensor index = at::tensor(rows);
    const RotaryAngles rotary{rotary_.cos.index_select(0, index), rotary_.sin.index_select(0, index)};
    const at::Tensor out = attention(qkv_.index_select(0, index), rotary, offsets, caches, shape_);
    EXPECT_LT(max_difference(out, whole_.index_select(0, index)), 5e-6);
    for (std::size_t s = 0; s < lengths_.size(); ++s) caches_[s].length += count[s];
  }

  std::vector<std::int64_t> offsets_;
  at::Tensor qkv_, whole_;
  RotaryAngles rotary_;
  std::vector<at::Tensor> pages_[3];
  std::vector<KeyValueCache> caches_;

  // Keys (0) or values (1) of a sequence, (kv_heads, kCapacity, head_dim).
  at::Tensor cached(std::size_t sequence, std::int64_t which) const {
    return at::cat(pages_[sequence], 3).select(0, kLayer).select(0, which);
  }
};

TEST_P(CachedAttentionTest, PrefillThenTokenByToken) {
  advance({5, 1, 70}, cached_attention);
  for (int step = 0; step < 8; ++step) advance({1, 0, 1}, cached_attention);
  advance({0, 0, 12}, cached_attention);
  // Positions that were never reached keep what they held.
  EXPECT_TRUE((cached(0, 0).slice(1, 13) == 777.0).all().item<bool>());
  EXPECT_TRUE((cached(1, 1).slice(1, 1) == 777.0).all().item<bool>());
}

TEST_P(CachedAttentionTest, TheReferenceFillsTheSameCaches) {
  advance({6, 1, 40}, cached_attention_reference);
  advance({7, 0, 50}, cached_attention_reference);
  std::vector<at::Tensor> keys, values;
  for (std::size_t s = 0; s < caches_.size(); ++s) {
    keys.push_back(cached(s, 0));
    values.push_back(cached(s, 1));
  }
  caches_.clear();
  SetUp();
  advance({13, 0, 1}, cached_attention);
  advance({0, 1, 89}, cached_attention);
  for (std::size_t s = 0; s < caches_.size(); ++s) {
    EXPECT_LT(max_difference(cached(s, 0), keys[s]), 1e-6);
    EXPECT_TRUE(at::equal(cached(s, 1), values[s]));
    // Other layers' pages keep what they held.
    EXPECT_TRUE((pages_[s][0].select(0, 0) == 777.0).all().item<bool>());
  }
}

// Decoding one sequence, threads share the heads that read one key/value head.
TEST_P(CachedAttentionTest, DoesNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> results;
  for (const int count : {1, 4}) {
    at::set_num_threads(count);
    caches_.clear();
    SetUp();
    advance({0, 0, 89}, cached_attention);
    const KeyValueCache cache[] = {caches_[2]};
    results.push_back(cached_attention(
        qkv_.slice(0, 103, 104).clone(),
        RotaryAngles{rotary_.cos.slice(0, 103, 104), rotary_.sin.slice(0, 103, 104)}, {0, 1}, cache, shape_));
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(results[0], results[1]));
  EXPECT_LT(max_difference(results[1], whole_.slice(0, 103, 104)), 5e-6);
}

INSTANTIATE_TEST_SUITE_P(Shapes, CachedAttentionTest,
                         testing::Values(AttentionShape{1, 1, 6, 0.4, 0}, AttentionShape{6, 2, 16, 0.25, 0},
                                         AttentionShape{4, 4, 8, 1.0, 7}, AttentionShape{4, 1, 8, 0.35, 1},
                                         AttentionShape{6, 3, 4, 0.5, 200},
                                         AttentionShape{9, 3, 64, 0.125, 0},
                                         AttentionShape{22, 1, 86, 0.1, 0}),
                         [](const auto& instance) {
                           const AttentionShape& shape = instance.param;
                           return std::to_string(shape.heads) + "Heads" + std::to_string(shape.kv_heads) +
                                  "KeyValueHeadsWindow" + std::to_string(shape.window);
                         });

}  // namespace
}  // namespace quiver
