#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quiver/error.h"

namespace quiver {

// How a prompt's features become a score of each task. All are closed forms over the stored rows.
enum class PromptRuleKind {
  kRidge,     // ridge regression on one-hot labels (as scikit-learn's RidgeClassifier)
  kLda,       // linear discriminant: one shared, shrunk covariance (LinearDiscriminantAnalysis)
  kCentroid,  // cosine to the task's mean (LoRAuter)
};

// How far the covariance of kLda is drawn to a multiple of the identity.
enum class Shrinkage { kOas, kLedoitWolf };

struct PromptRuleOptions {
  PromptRuleKind kind = PromptRuleKind::kRidge;
  Shrinkage shrinkage = Shrinkage::kOas;  // read by kLda
  std::int64_t layer = 0;                 // whose hidden states it reads; 0: the embeddings
  std::int64_t top_k = 3;                 // experts that a prompt gets at most; <= 0: all
  // A prompt is foreign that is further away than this share of the rows were, each judged by the others.
  double quantile = 0.98;
  bool abstains = true;  // false: no prompt is foreign
};

// One row for a prompt: the mean over its tokens of the hidden states (T, D), each token first divided by its
// own root mean square. (D) float32. Without that, in the layers where a model keeps an attention sink, the
// first token's huge state stands alone in the mean and says how long the prompt is: on SmolLM2-135M, ARC's
// questions among P3's tasks were foreign in 1% of the cases at layer 12, and in 99% with it. Throws
// Error(kNotFinite) for a number that is not finite. Thread-safe.
at::Tensor pool_prompt(const at::Tensor& hidden);

// Prompts of known tasks, one row a prompt: pool_prompt() of the base's hidden states.
struct PromptRows {
  std::map<std::int64_t, at::Tensor>
      features;                     // by layer: (N, D) float32; others than the rule's are ignored
  std::vector<std::int64_t> tasks;  // (N) task of each row, 0 .. C-1
  std::vector<std::size_t> owners;  // (C) expert of each task
  std::vector<std::string> names;   // (C) names of the tasks, for messages; may be empty
};

// What a rule says about one prompt.
struct PromptDecision {
  // Experts with their weights, heaviest first. The weights sum to 1; those under 1% were dropped. Empty
  // where the prompt is foreign: it belongs to no expert.
  std::vector<std::pair<std::size_t, double>> shares;
  std::vector<double> log_probabilities;  // (E) log p_e over all experts, of a foreign prompt too
  std::vector<double> likeness;           // (E) ridge scores: about 1 for a row of one's own, 0 for others'
  double leverage_rank = 1;               // r_2 below: small off the rows' subspace
  double foreignness = 0;                 // -log of a chance; comparable within one rule only
  bool is_foreign = false;
};

// Which experts a prompt needs, decided from the base's hidden states alone and learned from its experts'
// training prompts without a gradient step.
//
// A row x is scaled to unit length. The rule gives every task a score, x . w_c + b_c; an expert has the
// largest of its tasks' scores s_e, and p = softmax(s / T). T maximizes the likelihood of the rows, each
// scored by a rule without it (centroid: T = 0.2).
//
// Whatever the kind, foreignness comes from the ridge regression: -log r_1 - log r_2, with r_1 the share of
// rows whose largest score is as low as the prompt's and r_2 the share whose leverage, x^T (X^T X + lambda
// I)^-1 x, is as high; each row is judged by a regression without it. Low scores tell prompts between the
// tasks, high leverages those off the rows' subspace.
//
// Immutable and thread-safe; computed in float64. The same rows on as many threads give the same bits.
class PromptRule {
 public:
  // Learns from the rows of experts 0 .. `experts` - 1. Throws Error(kInvalidArgument) for fewer than two
  // experts, an expert without a task, a task with fewer than two rows or named twice, numbers that are not
  // finite, shapes that do not fit, rows that are all alike, and a quantile outside (0, 1].
  static PromptRule fit(const PromptRows& rows, std::size_t experts, const PromptRuleOptions& options);

  // `features`: by layer (D), floating. Throws Error(kInvalidArgument) if the layer is absent or has another
  // width, Error(kNotFinite) for numbers that are not finite.
  PromptDecision decide(const std::map<std::int64_t, at::Tensor>& features) const;

  // The scores before T and before tasks become experts. rows (n, D) of the rule's layer; (n, C) float64.
  at::Tensor task_scores(const at::Tensor& rows) const;

  // The layers whose features decide() reads.
  std::vector<std::int64_t> layers() const;

  const PromptRuleOptions& options() const;
  std::size_t experts() const;
  std::int64_t width() const;            // D
  double temperature() const;            // T
  double foreignness_threshold() const;  // above it a prompt is foreign

  // r_2 of each of the rows, judged without itself: (N) float64 in their order. Not after restore().
  at::Tensor own_leverage_ranks() const;

  // Everything decide() needs, and the rows for without() and with(). restore() decides with the same bits.
  std::map<std::string, at::Tensor> tensors() const;
  // Throws Error(kInvalidArgument) for tensors that are absent or do not fit together.
  static PromptRule restore(const std::map<std::string, at::Tensor>& tensors,
                            const PromptRuleOptions& options);

  // The rule without an expert: those after it move down by one. The sums over rows are corrected, not added
  // up again; equal to fit() on the others' rows within 1e-9 relative. Throws as fit().
  PromptRule without(std::size_t expert) const;

  // The rule with more experts: number 0 in `more` becomes number experts(). Equal to fit() as above.
  PromptRule with(const PromptRows& more, std::size_t more_experts) const;

 private:
  struct State;
  explicit PromptRule(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  std::shared_ptr<const State> state_;
};

}  // namespace quiver
