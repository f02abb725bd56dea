#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>

namespace quiver {

// How the logit of an expert follows from its product with the token.
enum class LogitKind {
  kAbsolute,      // |x . p| / temperature (Arrow)
  kStandardized,  // (x . v) / (std(x) temperature), v of zero mean: the product of standardized vectors
                  // (PhatGOOSE)
};

struct MixtureRule {
  LogitKind logits = LogitKind::kAbsolute;
  std::int64_t top_k = 0;  // 1 .. experts
  double temperature = 1;
  // How the chosen experts are combined: y += (sum_e w_e B_e) (sum_f w_f A_f) x, "parameter"; or else
  // y += sum_e w_e B_e A_e x, "output".
  bool merge_before = false;
  // Above 0: weights are those of a softmax over all experts, divided by the sum of the kept ones + epsilon.
  double kept_sum_epsilon = 0;
};

// The experts of one linear layer: E experts of rank r, contiguous float32 on the CPU.
struct MixtureSlot {
  at::Tensor a;             // (E, r, d)
  at::Tensor b;             // (E, r, out), transposed and with each expert's scale folded in
  std::int64_t column = 0;  // where the layer's output begins in y
};

// Adds to y (T, *) what the mixtures of the slots give for x (T, d); float32 on the CPU, rows contiguous.
// vectors (slots * E, d), contiguous: the routing vectors of each slot, whose products with the tokens become
// logits. Weights are the softmax of a token's top_k logits (see MixtureRule); equal logits go to the lower
// expert number. Only the chosen experts are touched, so that the cost does not grow with E. Rows are
// independent; runs on ATen's threads.
void add_mixture(at::Tensor& y, const at::Tensor& x, const at::Tensor& vectors,
                 std::span<const MixtureSlot> slots, const MixtureRule& rule);

// The same with the first expert of every slot at weight 1.
void add_first_expert(at::Tensor& y, const at::Tensor& x, std::span<const MixtureSlot> slots);

}  // namespace quiver
