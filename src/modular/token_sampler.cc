#include "modular/token_sampler.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

#include "core/strings.h"
#include "quiver/error.h"

namespace quiver {
namespace {

// `what` must be finite, from `low` on and no more than `high`. Written so that NaN fails.
void check_range(const char* what, double value, double low, double high, const char* range) {
  if (value >= low && value <= high && std::isfinite(value)) return;
  throw Error(ErrorKind::kInvalidArgument,
              std::string(what) + " is " + number_text(value) + ", it must be " + range);
}

// Nucleus sampling (Holtzman et al. 2020): the most likely tokens until their sum reaches top_p; of these the
// first `most`.
at::Tensor keep_likeliest(const at::Tensor& probabilities, double top_p, std::int64_t most) {
  auto [sorted, order] = probabilities.sort(0, true);
  if (most > 0) sorted.slice(0, std::min(most, sorted.size(0))).zero_();
  if (top_p < 1) {
    const at::Tensor before = sorted.cumsum(0) - sorted;
    sorted.masked_fill_(before >= top_p * sorted.sum(), 0.0);
  }
  return at::zeros_like(probabilities).scatter_(0, order, sorted);
}

}  // namespace

void validate(const SamplingOptions& options, std::int64_t vocabulary) {
  constexpr double kAny = std::numeric_limits<double>::max();
  check_range("the sampling temperature", options.temperature, 0, kAny, "a finite number, 0 or more");
  check_range("top_p", options.top_p, 5e-324, 1, "above 0 and at most 1");
  check_range("min_p", options.min_p, 0, 1, "from 0 to 1");
  check_range("presence_penalty", options.presence_penalty, -2, 2, "from -2 to 2");
  check_range("frequency_penalty", options.frequency_penalty, -2, 2, "from -2 to 2");
  check_range("repetition_penalty", options.repetition_penalty, 0.01, 100, "from 0.01 to 100");
  if (options.top_k < 0) {
    throw Error(ErrorKind::kInvalidArgument,
                "top_k is " + std::to_string(options.top_k) + ", it must be 0 (all tokens) or more");
  }
  for (const auto& [id, bias] : options.logit_bias) {
    check_range("a logit_bias", bias, -100, 100, "from -100 to 100");
    if (id >= 0 && id < vocabulary) continue;
    throw Error(ErrorKind::kInvalidArgument, "logit_bias names token " + std::to_string(id) +
                                                 ", the model has tokens 0 to " +
                                                 std::to_string(vocabulary - 1));
  }
}

TokenSampler::TokenSampler(SamplingOptions options, std::span<const std::int32_t> prompt)
    : options_(std::move(options)),
      changes_logits_(!options_.logit_bias.empty() || options_.presence_penalty != 0 ||
                      options_.frequency_penalty != 0 || options_.repetition_penalty != 1) {
  // Below what a float32 can hold there is nothing but the likeliest token.
  if (options_.temperature > 0) {
    generator_ = at::detail::createCPUGenerator(options_.seed);
    options_.temperature = std::max(options_.temperature, 1e-30);
    options_.top_p = std::max(options_.top_p, 1e-30);
  }
  if (options_.repetition_penalty == 1) return;
  for (const std::int32_t id : prompt) seen_.try_emplace(id, 0);
}

void TokenSampler::count(std::int32_t id) {
  if (changes_logits_) ++seen_[id];
}

void TokenSampler::change(at::Tensor& logits) const {
  float* values = logits.mutable_data_ptr<float>();
  for (const auto& [id, times] : seen_) {
    float& value = values[id];
    const auto repetition = static_cast<float>(options_.repetition_penalty);
    value = value > 0 ? value / repetition : value * repetition;
    if (times == 0) continue;
    value -= static_cast<float>(options_.presence_penalty +
                                options_.frequency_penalty * static_cast<double>(times));
  }
  for (const auto& [id, bias] : options_.logit_bias) values[id] += static_cast<float>(bias);
}

std::int32_t TokenSampler::choose(const at::Tensor& logits) {
  at::Tensor scores = logits.to(at::kCPU, at::kFloat);
  if (changes_logits_) {
    if (scores.is_alias_of(logits)) scores = scores.clone();
    change(scores);
  }
  return generator_ ? draw(scores) : scores.argmax().item().to<std::int32_t>();
}

std::int32_t TokenSampler::draw(const at::Tensor& scores) {
  at::Tensor probabilities = at::softmax((scores - scores.max()) / options_.temperature, 0);
  if (options_.min_p > 0) probabilities.masked_fill_(probabilities < options_.min_p * probabilities.max(), 0);
  if (options_.top_p < 1 || options_.top_k > 0)
    probabilities = keep_likeliest(probabilities, options_.top_p, options_.top_k);
  return at::multinomial(probabilities, 1, false, *generator_).item().to<std::int32_t>();
}

}  // namespace quiver
