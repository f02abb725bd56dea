#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

namespace quiver {

// What the router sees of a token.
enum class RouterInput {
  kPlain,         // x
  kUnit,          // x / |x|
  kStandardized,  // x / std(x), eps 1e-5 as LayerNorm; the vectors have zero mean, so x's own falls out
};

// How the products of a token with an expert's vectors become its logit.
enum class LogitKind {
  kSigned,    // x . p
  kAbsolute,  // |x . p|
  kNorm,      // |P x|, P the expert's vectors as rows
};

// What is made of a logit of one expert in one slot.
struct LogitLine {
  float slope = 1, offset = 0;
};

struct MixtureRule {
  RouterInput input = RouterInput::kPlain;
  LogitKind logits = LogitKind::kAbsolute;
  std::int64_t vectors = 1;    // routing vectors an expert; more than one for kNorm only
  std::int64_t prefilter = 0;  // above 0: only experts whose |first vector . x| is among so many largest
  std::int64_t top_k = 0;      // 1 .. experts
  double temperature = 1;      // divides the logits
  // How the chosen experts are combined: y += (sum_e w_e B_e) (sum_f w_f A_f) x, "parameter"; or else
  // y += sum_e w_e B_e A_e x, "output".
  bool merge_before = false;
  bool equal_weights = false;  // the same for each chosen expert instead of the softmax
  // Above 0: weights are those of a softmax over all experts, divided by the sum of the kept ones + epsilon.
  double kept_sum_epsilon = 0;
  std::vector<LogitLine> lines = {};  // by slot, then expert: logit * slope + offset; or empty
  std::vector<float> prior = {};      // added to the logits; one an expert, or empty. -infinity: never chosen
};

// One expert's factors in one linear layer, contiguous float32. Both undefined: it does not adapt the layer.
struct LoraFactors {
  at::Tensor a;  // (r, d)
  at::Tensor b;  // (r, out), transposed and with the expert's scale folded in
};

// The experts of one linear layer, of any ranks.
class MixtureSlot {
 public:
  // `column`: where the layer's output begins in y. Checks shapes, types and places of the factors.
  MixtureSlot(std::vector<LoraFactors> experts, std::int64_t column);

  const std::vector<LoraFactors>& experts() const { return experts_; }
  std::int64_t count() const { return static_cast<std::int64_t>(experts_.size()); }
  std::int64_t rank() const { return rank_; }  // the largest
  std::int64_t in() const { return in_; }
  std::int64_t out() const { return out_; }
  std::int64_t column() const { return column_; }

 private:
  std::vector<LoraFactors> experts_;
  std::int64_t rank_ = 0, in_ = 0, out_ = 0, column_;
};

// Adds to y (T, *) what the mixtures of the slots give for x (T, d); float32 on the CPU, rows contiguous.
// vectors (slots E rule.vectors, d), contiguous: the routing vectors of each slot, expert by expert. Weights
// are the softmax of a token's top_k logits (see MixtureRule); equal logits go to the lower expert number.
// Only the chosen experts are touched, so that the cost does not grow with E. Rows are independent; runs on
// ATen's threads. `weights`: null, or a float32 tensor (T, slots, E) of zeros, contiguous, that takes the
// weights that were used.
void add_mixture(at::Tensor& y, const at::Tensor& x, const at::Tensor& vectors,
                 std::span<const MixtureSlot> slots, const MixtureRule& rule, at::Tensor* weights = nullptr);

// The same with constant weights, one an expert of every slot: y += sum_e w_e B_e A_e x.
void add_weighted(at::Tensor& y, const at::Tensor& x, std::span<const MixtureSlot> slots,
                  std::span<const float> weights);

}  // namespace quiver
