#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <sstream>

#include "routing/prompt_rule_state.h"

namespace quiver {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

// Tensor `name` of that type and shape, -1 for any size.
at::Tensor take(const Tensors& tensors, const std::string& name, at::ScalarType type,
                const std::vector<std::int64_t>& shape) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || !found->second.defined()) {
    throw Error(ErrorKind::kInvalidArgument, "a stored prompt rule has no tensor '" + name + "'");
  }
  const at::Tensor& tensor = found->second;
  bool fits = tensor.scalar_type() == type && tensor.dim() == static_cast<std::int64_t>(shape.size());
  for (std::size_t i = 0; fits && i < shape.size(); ++i) {
    fits = shape[i] < 0 || tensor.size(static_cast<std::int64_t>(i)) == shape[i];
  }
  if (!fits || !tensor.isfinite().all().item<bool>()) {
    std::ostringstream out;
    out << "tensor '" << name << "' of a stored prompt rule, " << tensor.toString() << ' ' << tensor.sizes()
        << (fits ? ", holds a number that is not finite" : ", does not fit the others");
    throw Error(ErrorKind::kInvalidArgument, out.str());
  }
  return tensor.to(at::kCPU).contiguous();
}

template <typename T>
std::vector<T> integers(const at::Tensor& tensor) {
  return {tensor.data_ptr<std::int64_t>(), tensor.data_ptr<std::int64_t>() + tensor.numel()};
}

LinearRule take_linear(const Tensors& tensors, const std::string& prefix, const PromptSample& sample) {
  return {.weights = take(tensors, prefix + "weights", at::kDouble, {sample.width(), sample.task_count()}),
          .offsets = take(tensors, prefix + "offsets", at::kDouble, {sample.task_count()})};
}

PromptSample take_sample(const Tensors& tensors, std::int64_t layer) {
  const at::Tensor rows = take(tensors, "rows", at::kFloat, {-1, -1});
  const at::Tensor owners = take(tensors, "owners", at::kLong, {-1});
  const std::int64_t experts = owners.numel() == 0 ? 0 : owners.max().item<std::int64_t>() + 1;
  if (experts > owners.numel() || (experts > 0 && owners.min().item<std::int64_t>() < 0)) {
    throw Error(ErrorKind::kInvalidArgument, "tensor 'owners' of a stored prompt rule gives " +
                                                 std::to_string(owners.numel()) +
                                                 " tasks to experts that are not numbered from 0");
  }
  return check_sample({.features = {{layer, rows}},
                       .tasks = integers<std::int64_t>(take(tensors, "tasks", at::kLong, {rows.size(0)})),
                       .owners = integers<std::size_t>(owners),
                       .names = {}},
                      static_cast<std::size_t>(experts), layer);
}

}  // namespace

std::map<std::string, at::Tensor> PromptRule::tensors() const {
  const State& state = *state_;
  Tensors tensors{{"rows", state.sample.rows},
                  {"tasks", state.sample.tasks},
                  {"owners", state.sample.owners},
                  {"ridge.weights", state.ridge.linear.weights.contiguous()},
                  {"ridge.offsets", state.ridge.linear.offsets},
                  {"ridge.mean", state.ridge.mean},
                  {"ridge.factor", state.ridge.factor.contiguous()},
                  {"ridge.lambda", at::tensor({state.ridge.lambda}, at::kDouble)},
                  {"foreign.scores", state.foreign.scores},
                  {"foreign.leverages", state.foreign.leverages},
                  {"foreign.own", state.foreign.own},
                  {"temperature", at::tensor({state.temperature}, at::kDouble)}};
  if (state.options.kind != PromptRuleKind::kRidge) {
    tensors["weights"] = state.rule.weights.contiguous();
    tensors["offsets"] = state.rule.offsets;
  }
  return tensors;
}

PromptRule PromptRule::restore(const Tensors& tensors, const PromptRuleOptions& options) {
  const at::NoGradGuard no_grad;
  auto state = std::make_shared<State>();
  state->options = options;
  state->sample = take_sample(tensors, options.layer);
  const PromptSample& sample = state->sample;
  check_choice(static_cast<std::size_t>(sample.experts), options);
  state->ridge = {.linear = take_linear(tensors, "ridge.", sample),
                  .mean = take(tensors, "ridge.mean", at::kDouble, {sample.width()}),
                  .factor = take(tensors, "ridge.factor", at::kDouble,
                                 {std::min(sample.count(), sample.width()), sample.width()}),
                  .lambda = take(tensors, "ridge.lambda", at::kDouble, {1}).item<double>(),
                  .count = static_cast<double>(sample.count())};
  state->foreign = {.scores = take(tensors, "foreign.scores", at::kDouble, {sample.count()}),
                    .leverages = take(tensors, "foreign.leverages", at::kDouble, {sample.count()}),
                    .own = take(tensors, "foreign.own", at::kDouble, {sample.count()})};
  state->rule =
      options.kind == PromptRuleKind::kRidge ? state->ridge.linear : take_linear(tensors, "", sample);
  state->temperature = take(tensors, "temperature", at::kDouble, {1}).item<double>();
  return PromptRule(std::move(state));
}

}  // namespace quiver
