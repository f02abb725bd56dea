#include "modular/token_sampler.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

namespace quiver {
namespace {

// splitmix64 (Steele, Lea and Flood 2014). The first request draws with the seed itself.
std::uint64_t request_seed(std::uint64_t seed, std::size_t request) {
  std::uint64_t bits = 0x9E3779B97F4A7C15ull * static_cast<std::uint64_t>(request);
  bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9ull;
  bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBull;
  return seed ^ bits ^ (bits >> 31);
}

// Nucleus sampling (Holtzman et al. 2020): the most likely tokens until their sum reaches top_p.
at::Tensor keep_nucleus(const at::Tensor& probabilities, double top_p) {
  auto [sorted, order] = probabilities.sort(0, true);
  const at::Tensor before = sorted.cumsum(0) - sorted;
  sorted.masked_fill_(before >= top_p, 0.0);
  return at::zeros_like(probabilities).scatter_(0, order, sorted);
}

}  // namespace

// Below what a float32 can hold there is nothing but the likeliest token.
TokenSampler::TokenSampler(const GenerationOptions& options, std::size_t request)
    : temperature_(std::max(options.sampling_temperature, 1e-30)),
      top_p_(std::max(options.top_p, 1e-30)),
      generator_(at::detail::createCPUGenerator(request_seed(options.seed, request))) {}

std::int32_t TokenSampler::draw(const at::Tensor& logits) {
  const at::Tensor scores = logits.to(at::kCPU, at::kFloat);
  at::Tensor probabilities = at::softmax((scores - scores.max()) / temperature_, 0);
  if (top_p_ < 1) probabilities = keep_nucleus(probabilities, top_p_);
  return at::multinomial(probabilities, 1, false, generator_).item().to<std::int32_t>();
}

}  // namespace quiver
