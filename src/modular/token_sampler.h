#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "quiver/decoding.h"

namespace quiver {

// Chooses the tokens of one sequence. Its random numbers follow from the seed alone, so neither batch size
// nor neighbours change them.
class TokenSampler {
 public:
  TokenSampler(SamplingOptions options, std::span<const std::int32_t> prompt);

  // Whether it is the likeliest token of the logits as they are.
  bool is_plain() const { return generator_ == std::nullopt && !changes_logits_; }

  // logits (V), finite -> an id.
  std::int32_t choose(const at::Tensor& logits);
  // What choose() or another gave, for the penalties.
  void count(std::int32_t id);

 private:
  void change(at::Tensor& logits) const;
  std::int32_t draw(const at::Tensor& logits);

  SamplingOptions options_;
  bool changes_logits_;
  std::optional<at::Generator> generator_;               // none: the likeliest
  std::unordered_map<std::int32_t, std::int64_t> seen_;  // how often among the new tokens; 0: in the prompt
};

}  // namespace quiver
