#include "kernels/loss.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "kernels/fused.h"
#include "kernels/linear.h"
#include "kernels/row_loops.h"
#include "tensor/finite.h"

namespace quiver {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kBlockRows =
    256;  // rows whose logits exist at one time: 50 MB for a vocabulary of 49k

class LinearCrossEntropy : public torch::autograd::Function<LinearCrossEntropy> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& hidden, const FrozenMatrix& weight,
                            const at::Tensor& targets, const std::optional<at::Tensor>& bias) {
    const std::int64_t rows = hidden.size(0), vocabulary = weight.out();
    const std::int64_t* target = targets.const_data_ptr<std::int64_t>();
    at::Tensor losses = at::empty({rows}, hidden.options());
    float* loss = losses.mutable_data_ptr<float>();
    const bool needs_gradient = hidden.requires_grad();
    at::Tensor gradient = needs_gradient ? at::empty_like(hidden) : at::Tensor();
    for (std::int64_t first = 0; first < rows; first += kBlockRows) {
      const std::int64_t last = std::min(rows, first + kBlockRows);
      at::Tensor logits =
          frozen_linear(hidden.slice(0, first, last), weight, bias.value_or(at::Tensor()));  // (block, V)
      float* logit = logits.mutable_data_ptr<float>();
      at::parallel_for(first, last, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
          float* line = logit + (row - first) * vocabulary;
          const float lse = row_loops::log_sum_exp(line, vocabulary);
          loss[row] = lse - line[target[row]];
          if (!needs_gradient) continue;
          row_loops::exp_shifted(line, vocabulary, lse, 1.0f);
          line[target[row]] -= 1.0f;
        }
      });
      if (needs_gradient) gradient.slice(0, first, last).copy_(frozen_linear_backward(logits, weight));
    }
    context->save_for_backward({gradient});
    return losses.sum();
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {context->get_saved_variables()[0] * gradients[0], at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

// Of logits (n, V) and targets (n).
TargetScores score_rows_reference(const at::Tensor& logits, const at::Tensor& targets) {
  const at::Tensor chosen = logits.gather(1, targets.unsqueeze(1)).squeeze(1);
  const at::Tensor finite = logits.isfinite().all(1);
  return {at::where(finite, chosen - logits.logsumexp(1), NAN), logits.argmax(1) == targets};
}

TargetScores score_rows(const at::Tensor& logits, const at::Tensor& targets) {
  const std::int64_t rows = logits.size(0), vocabulary = logits.size(1);
  TargetScores scores{at::empty({rows}, at::kFloat), at::empty({rows}, at::kBool)};
  const float* logit = logits.const_data_ptr<float>();
  const std::int64_t* target = targets.const_data_ptr<std::int64_t>();
  float* log_probability = scores.log_probability.mutable_data_ptr<float>();
  bool* is_greedy = scores.is_greedy.mutable_data_ptr<bool>();
  at::parallel_for(0, rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* line = logit + row * vocabulary;
      log_probability[row] = all_finite({line, static_cast<std::size_t>(vocabulary)})
                                 ? line[target[row]] - row_loops::log_sum_exp(line, vocabulary)
                                 : NAN;
      is_greedy[row] = row_loops::is_first_largest(line, vocabulary, target[row]);
    }
  });
  return scores;
}

}  // namespace

at::Tensor linear_cross_entropy_reference(const at::Tensor& hidden, const at::Tensor& weight,
                                          const at::Tensor& targets, const at::Tensor& bias) {
  const at::Tensor logits = at::linear(hidden, weight, bias).to(at::kFloat);
  return at::cross_entropy_loss(logits, targets, {}, at::Reduction::Sum);
}

at::Tensor linear_cross_entropy(const at::Tensor& any_hidden, const FrozenMatrix& weight,
                                const at::Tensor& targets, const at::Tensor& bias) {
  const at::Tensor hidden = any_hidden.contiguous();
  if (!fused_kernel_applies(hidden) || hidden.size(0) == 0) {
    return linear_cross_entropy_reference(hidden, weight.to_dense(), targets, bias);
  }
  return LinearCrossEntropy::apply(hidden, weight, targets,
                                   bias.defined() ? std::optional(bias) : std::nullopt);
}

TargetScores score_targets(const at::Tensor& hidden, const at::Tensor& targets,
                           const std::function<at::Tensor(const at::Tensor&)>& logits) {
  std::vector<at::Tensor> log_probabilities, greedy;
  const std::vector<at::Tensor> hidden_blocks = hidden.split(kBlockRows);
  const std::vector<at::Tensor> target_blocks = targets.split(kBlockRows);
  for (std::size_t i = 0; i < hidden_blocks.size(); ++i) {
    const at::Tensor scores = logits(hidden_blocks[i]).to(at::kFloat);  // (block, V)
    TargetScores block = fused_kernel_applies(scores) ? score_rows(scores, target_blocks[i])
                                                      : score_rows_reference(scores, target_blocks[i]);
    log_probabilities.push_back(std::move(block.log_probability));
    greedy.push_back(std::move(block.is_greedy));
  }
  return {at::cat(log_probabilities), at::cat(greedy)};
}

}  // namespace quiver
