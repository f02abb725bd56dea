#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace quiver {

// How the logit of an expert follows from its product with the token.
enum class LogitKind {
  kAbsolute,      // |x . p| / temperature (Arrow)
  kStandardised,  // (x . v) / (std(x) temperature), v of zero mean: the product of standardised vectors
                  // (PhatGOOSE)
};

// Mixes the experts of `slots` linear layers that share one input. Shapes: T tokens, E experts, rank r.
struct MixtureShape {
  std::int64_t slots = 0;
  std::int64_t experts = 0;
  std::int64_t rank = 0;
  std::int64_t top_k = 0;  // 1 .. experts
  LogitKind logits = LogitKind::kAbsolute;
  double temperature = 1;
  bool merge_before = false;  // "parameter": rows become w_e sum_f(w_f h_f); else w_e h_e

  std::int64_t hidden_width() const { return experts * rank; }
  // Columns of `products`: for each slot E r values A_e x, then for each slot E values p_e . x.
  std::int64_t width() const { return slots * (hidden_width() + experts); }
};

// In place on products (T, width()) float32, for the inputs x (T, d) float32: replaces the logits by the
// routing weights (softmax over each token's top_k, 0 for the others; equal logits go to the lower expert
// number) and A_e x by what B_e is to be multiplied with. Rows are independent; runs on ATen's threads.
void mix_experts(at::Tensor& products, const at::Tensor& x, const MixtureShape& shape);

}  // namespace quiver
