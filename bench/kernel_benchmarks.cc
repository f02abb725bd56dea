// The kernels one by one, at the sizes of SmolLM2-135M: 576 wide, 9 heads of 64 over 3 key/value heads, MLP
// 1536, 49152 tokens. Real time, on as many threads as ATen takes (OMP_NUM_THREADS).
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <benchmark/benchmark.h>

#include "kernels/attention.h"
#include "kernels/linear.h"
#include "kernels/loss.h"
#include "kernels/mixture.h"
#include "kernels/norm.h"
#include "kernels/swiglu.h"

namespace quiver {
namespace {

constexpr std::int64_t kHidden = 576, kMlp = 1536, kVocabulary = 49152;
constexpr AttentionShape kAttention{.heads = 9, .kv_heads = 3, .head_dim = 64, .scale = 0.125};

void set_rate(benchmark::State& state, const char* name, double per_iteration) {
  state.counters[name] = benchmark::Counter(per_iteration, benchmark::Counter::kIsIterationInvariantRate,
                                            benchmark::Counter::kIs1000);
}

// Rows, in, out.
void linear_sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"rows", "in", "out"})->UseRealTime();
  for (const std::int64_t rows : {1, 8, 32, 256, 2048}) {
    for (const std::int64_t out : {kHidden, 2 * kMlp}) benchmark->Args({rows, kHidden, out});
    benchmark->Args({rows, kMlp, kHidden});
  }
  benchmark->Args({1, kHidden, kVocabulary})->Args({8, kHidden, kVocabulary});
}

void frozen_linear(benchmark::State& state) {
  const at::NoGradGuard no_gradients;
  const at::Tensor x = at::randn({state.range(0), state.range(1)});
  const at::Tensor weight = at::randn({state.range(2), state.range(1)});
  for (auto _ : state) benchmark::DoNotOptimize(quiver::frozen_linear(x, weight));
  set_rate(state, "flop", 2.0 * static_cast<double>(state.range(0) * weight.numel()));
  set_rate(state, "weight_bytes", static_cast<double>(weight.nbytes()));
}
BENCHMARK(frozen_linear)->Apply(linear_sizes);

constexpr std::int64_t kFromFloats = -1;

// Layer after layer, as models take them: more than the caches hold, from float32 or a BlockFormat.
void frozen_linear_of_layers(benchmark::State& state) {
  const at::NoGradGuard no_gradients;
  constexpr std::int64_t kWidth = 512, kOut = 2 * kMlp;  // a multiple of every format's block
  const at::Tensor x = at::randn({state.range(0), kWidth});
  std::vector<FrozenMatrix> layers(16);
  for (FrozenMatrix& layer : layers) {
    if (state.range(1) == kFromFloats) {
      layer = at::zeros({kOut, kWidth});
      continue;
    }
    QuantizedBlocks zeros{static_cast<BlockFormat>(state.range(1)), kOut, kWidth, {}};
    zeros.bytes.resize(static_cast<std::size_t>(zeros.rows * zeros.row_bytes()));
    layer = FrozenMatrix(std::move(zeros));
  }
  for (auto _ : state) {
    for (const FrozenMatrix& layer : layers) benchmark::DoNotOptimize(quiver::frozen_linear(x, layer));
  }
  set_rate(state, "flop", 2.0 * static_cast<double>(state.range(0) * kOut * kWidth) * 16);
}
BENCHMARK(frozen_linear_of_layers)
    ->ArgNames({"rows", "format"})
    ->ArgsProduct({{1, 4, 8, 16, 32, 128, 512}, {kFromFloats, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}})
    ->UseRealTime();

void rms_norm(benchmark::State& state) {
  const at::NoGradGuard no_gradients;
  const at::Tensor x = at::randn({state.range(0), kHidden}), weight = at::ones({kHidden});
  for (auto _ : state) benchmark::DoNotOptimize(quiver::rms_norm(x, weight, 1e-5));
  set_rate(state, "bytes", 2.0 * static_cast<double>(x.nbytes()));
}
BENCHMARK(rms_norm)->ArgName("rows")->Arg(8)->Arg(2048)->UseRealTime();

void swiglu(benchmark::State& state) {
  const at::NoGradGuard no_gradients;
  const at::Tensor x = at::randn({state.range(0), 2 * kMlp});
  for (auto _ : state) benchmark::DoNotOptimize(quiver::swiglu(x));
  set_rate(state, "bytes", 1.5 * static_cast<double>(x.nbytes()));
}
BENCHMARK(swiglu)->ArgName("rows")->Arg(8)->Arg(2048)->UseRealTime();

// Eight sequences from their first token.
void ragged_attention(benchmark::State& state) {
  const at::NoGradGuard no_gradients;
  const std::int64_t length = state.range(0);
  std::vector<std::int64_t> offsets;
  for (std::int64_t s = 0; s <= 8; ++s) offsets.push_back(s * length);
  const at::Tensor qkv = at::randn({8 * length, kAttention.qkv_width()});
  for (auto _ : state)
    benchmark::DoNotOptimize(quiver::ragged_attention(qkv, std::nullopt, offsets, kAttention));
  set_rate(state, "flop", 8.0 * 2 * static_cast<double>(length * length * kAttention.query_width()));
}
BENCHMARK(ragged_attention)->ArgName("length")->Arg(64)->Arg(256)->Arg(1024)->UseRealTime();

// One new token of eight sequences.
void cached_attention(benchmark::State& state) {
  const at::NoGradGuard no_gradients;
  const std::int64_t length = state.range(0);
  std::vector<KeyValueCache> caches(8);
  constexpr std::int64_t kPage = 32;
  std::vector<std::vector<at::Tensor>> pages(8);
  std::vector<std::int64_t> offsets{0};
  for (std::size_t s = 0; s < caches.size(); ++s) {
    for (std::int64_t begin = 0; begin <= length; begin += kPage)
      pages[s].push_back(at::randn({1, 2, kAttention.kv_heads, kPage, kAttention.head_dim}));
    caches[s] = {pages[s], 0, length};
    offsets.push_back(offsets.back() + 1);
  }
  const at::Tensor qkv = at::randn({8, kAttention.qkv_width()});
  for (auto _ : state)
    benchmark::DoNotOptimize(quiver::cached_attention(qkv, std::nullopt, offsets, caches, kAttention));
  set_rate(state, "cache_bytes", 8.0 * 2 * 4 * static_cast<double>(length * kAttention.kv_width()));
}
BENCHMARK(cached_attention)->ArgName("length")->Arg(256)->Arg(1024)->UseRealTime();

// Two experts a token in one slot.
void add_mixture(benchmark::State& state) {
  constexpr std::int64_t kRank = 4;
  const std::int64_t rows = state.range(0), experts = state.range(1);
  std::vector<LoraFactors> factors;
  for (std::int64_t e = 0; e < experts; ++e)
    factors.push_back({at::randn({kRank, kHidden}), at::randn({kRank, kHidden})});
  const MixtureSlot slots[] = {MixtureSlot(std::move(factors), 0)};
  const at::Tensor x = at::randn({rows, kHidden}), vectors = at::randn({experts, kHidden});
  at::Tensor y = at::zeros({rows, kHidden});
  const MixtureRule rule{.top_k = 2, .merge_before = state.range(2) == 1};
  for (auto _ : state) quiver::add_mixture(y, x, vectors, slots, rule);
}
BENCHMARK(add_mixture)
    ->ArgNames({"rows", "experts", "merge_before"})
    ->ArgsProduct({{8, 2048}, {10, 256}, {0, 1}})
    ->UseRealTime();

void linear_cross_entropy(benchmark::State& state) {
  at::Tensor hidden = at::randn({state.range(0), kHidden});
  hidden.requires_grad_(true);
  const at::Tensor weight = at::randn({kVocabulary, kHidden});
  const at::Tensor targets = at::randint(kVocabulary, {state.range(0)}, at::kLong);
  for (auto _ : state) benchmark::DoNotOptimize(quiver::linear_cross_entropy(hidden, weight, targets));
  set_rate(state, "flop", 4.0 * static_cast<double>(state.range(0) * weight.numel()));
}
BENCHMARK(linear_cross_entropy)->ArgName("targets")->Arg(16)->Arg(128)->UseRealTime();

}  // namespace
}  // namespace quiver
