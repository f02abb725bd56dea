#include <ATen/core/grad_mode.h>

#include "kernels/loss.h"
#include "train/loop.h"

namespace quiver {
namespace {

using ExamplePointers = std::vector<const TokenizedExample*>;

std::int64_t target_count(const TokenizedExample& example) {
  // The first token of a text cannot be predicted from anything.
  return static_cast<std::int64_t>(example.ids.size()) - std::max(1, example.target_begin);
}

// Parts of a batch that run at once: by number of examples where that is given, else by tokens.
std::vector<ExamplePointers> micro_batches(const ExamplePointers& batch, std::int64_t micro_batch_size,
                                           std::int64_t token_budget) {
  std::vector<ExamplePointers> parts;
  std::int64_t tokens = 0;
  for (const TokenizedExample* example : batch) {
    const auto length = static_cast<std::int64_t>(example->ids.size());
    const bool full =
        parts.empty() ||
        (micro_batch_size > 0 ? static_cast<std::int64_t>(parts.back().size()) == micro_batch_size
                              : tokens + length > token_budget);
    if (full) {
      parts.emplace_back();
      tokens = 0;
    }
    parts.back().push_back(example);
    tokens += length;
  }
  return parts;
}

// Hidden states before every target token, and the targets.
struct Targets {
  at::Tensor hidden;  // (N, D)
  at::Tensor ids;     // (N) int64
  std::int64_t tokens = 0;
};

Targets run_forward(const BaseModel& base, const LinearAdapter& adapter, const ExamplePointers& examples) {
  RaggedBatch batch;
  std::vector<std::int64_t> rows, targets;
  for (const TokenizedExample* example : examples) {
    const std::int64_t begin = batch.tokens();
    batch.add(example->ids);
    for (std::size_t t = static_cast<std::size_t>(std::max(1, example->target_begin));
         t < example->ids.size(); ++t) {
      rows.push_back(begin + static_cast<std::int64_t>(t) - 1);
      targets.push_back(example->ids[t]);
    }
  }
  batch.rows = std::move(rows);
  const at::Tensor hidden = base.forward(batch, &adapter);
  return {hidden, at::tensor(targets).to(hidden.device()), batch.tokens()};
}

}  // namespace

BatchLoss accumulate_gradients(const BaseModel& base, const LinearAdapter& adapter,
                               const ExamplePointers& batch, const TrainingOptions& options) {
  const at::AutoGradMode gradients(true);
  const std::vector<ExamplePointers> parts =
      micro_batches(batch, options.micro_batch_size, options.token_budget);
  std::int64_t batch_targets = 0;
  for (const TokenizedExample* example : batch) batch_targets += target_count(*example);
  BatchLoss result;
  for (const ExamplePointers& part : parts) {
    const Targets targets = run_forward(base, adapter, part);
    const double denominator =
        options.loss_mean == LossMean::kMicroBatchMean && options.micro_batch_size > 0
            ? static_cast<double>(targets.ids.size(0)) * static_cast<double>(parts.size())
            : static_cast<double>(batch_targets);
    const at::Tensor loss = base.cross_entropy(targets.hidden, targets.ids) / denominator;
    loss.backward();
    result.loss += loss.item<double>();
    result.tokens += targets.tokens;
  }
  return result;
}

double validation_loss(const BaseModel& base, const LinearAdapter& adapter,
                       const std::vector<TokenizedExample>& examples, std::int64_t token_budget) {
  const at::NoGradGuard no_gradients;
  ExamplePointers all;
  for (const TokenizedExample& example : examples) all.push_back(&example);
  double sum = 0;
  for (const ExamplePointers& part : micro_batches(all, 0, token_budget)) {
    const Targets targets = run_forward(base, adapter, part);
    const at::Tensor losses = score_targets(targets.hidden, targets.ids, [&](const at::Tensor& block) {
                                return base.logits(block);
                              }).log_probability.neg();
    std::int64_t begin = 0;
    for (const TokenizedExample* example : part) {
      const std::int64_t count = target_count(*example);
      sum += losses.narrow(0, begin, count).mean().item<double>();
      begin += count;
    }
  }
  return sum / static_cast<double>(examples.size());
}

}  // namespace quiver
