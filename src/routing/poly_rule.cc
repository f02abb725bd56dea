#include "routing/poly_rule.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/json.h"
#include "quiver/error.h"
#include "tensor/finite.h"

namespace quiver {
namespace {

constexpr double kEpsilon = 1e-8;  // mttl's EPS
constexpr char kTasks[] = "tasks", kLogits[] = "logits.";

at::Tensor bytes_of(const std::string& text) {
  at::Tensor bytes = at::empty({static_cast<std::int64_t>(text.size())}, at::kByte);
  std::copy(text.begin(), text.end(), bytes.mutable_data_ptr<std::uint8_t>());
  return bytes;
}

[[noreturn]] void fail(const std::string& problem) {
  throw Error(ErrorKind::kCorruptFile, "what the router 'poly' was fitted to " + problem, "compose it again");
}

}  // namespace

at::Tensor join_columns(std::span<const at::Tensor> columns, std::size_t tasks) {
  for (const at::Tensor& column : columns) {
    const bool fits = column.dim() == 1 && column.size(0) == static_cast<std::int64_t>(tasks) + 1 &&
                      column.scalar_type() == at::kFloat && all_finite(column);
    if (fits) continue;
    throw Error(ErrorKind::kInvalidArgument,
                "logits 'poly' are not " + std::to_string(tasks + 1) +
                    " finite numbers, one a task and one for all others",
                "import the model again");
  }
  return at::stack(at::TensorList(columns.data(), columns.size()), 1);
}

PolyLogits poly_from_tensors(const std::map<std::string, at::Tensor>& tensors, const ExpertSet& experts) {
  PolyLogits poly;
  const auto tasks = tensors.find(kTasks);
  if (tasks == tensors.end() || tasks->second.scalar_type() != at::kByte) fail("does not name its tasks");
  const at::Tensor bytes = tasks->second.contiguous();
  const auto* first = bytes.const_data_ptr<std::uint8_t>();
  try {
    poly.tasks =
        parse_json(std::string(first, first + bytes.numel()), kTasks).get<std::vector<std::string>>();
  } catch (const std::exception&) {
    fail("does not name its tasks");
  }
  for (const std::int64_t slot : experts.slots()) {
    const auto found = tensors.find(kLogits + std::to_string(slot));
    const bool fits =
        found != tensors.end() && found->second.scalar_type() == at::kFloat &&
        found->second.sizes() == at::IntArrayRef{static_cast<std::int64_t>(poly.tasks.size()) + 1,
                                                 static_cast<std::int64_t>(experts.size())};
    if (!fits) fail("has no logits of slot " + std::to_string(slot) + " for its tasks and experts");
    poly.logits[slot] = found->second;
  }
  return poly;
}

SequenceDecision PolyRule::decide(const SequenceInput& input) const {
  const auto row = std::ranges::find(poly_.tasks, input.task) - poly_.tasks.begin();
  SequenceDecision decision;
  std::vector<double> mean;
  for (const auto& [slot, logits] : poly_.logits) {
    const at::Tensor open = at::sigmoid(logits[row].to(at::kDouble));
    const at::Tensor weights = (open / (open.sum() + kEpsilon)).contiguous();
    const double* weight = weights.const_data_ptr<double>();
    std::vector<ExpertShare>& shares = decision.slot_shares[slot];
    mean.resize(static_cast<std::size_t>(weights.numel()));
    for (std::size_t e = 0; e < mean.size(); ++e) {
      shares.push_back({e, weight[e]});
      mean[e] += weight[e] / static_cast<double>(poly_.logits.size());
    }
  }
  for (std::size_t e = 0; e < mean.size(); ++e) decision.shares.push_back({e, mean[e]});
  return decision;
}

std::map<std::string, at::Tensor> PolyRule::tensors() const {
  std::map<std::string, at::Tensor> tensors = {{kTasks, bytes_of(dump_json(poly_.tasks))}};
  for (const auto& [slot, logits] : poly_.logits) tensors[kLogits + std::to_string(slot)] = logits;
  return tensors;
}

std::shared_ptr<const SequenceRule> PolyRule::without(std::size_t expert) const {
  PolyLogits others{.tasks = poly_.tasks, .logits = {}};
  for (const auto& [slot, logits] : poly_.logits) {
    const auto place = static_cast<std::int64_t>(expert);
    others.logits[slot] = at::cat({logits.narrow(1, 0, place), logits.slice(1, place + 1)}, 1);
  }
  return std::make_shared<PolyRule>(std::move(others));
}

}  // namespace quiver
