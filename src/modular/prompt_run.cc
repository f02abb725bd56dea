#include "modular/prompt_run.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "model/first_not_finite.h"
#include "tensor/finite.h"

namespace quiver {
namespace {

// Keeps what the base gives to some slots.
class CapturingAdapter : public LinearAdapter {
 public:
  CapturingAdapter(std::span<const std::int64_t> slots, std::map<std::int64_t, at::Tensor>& inputs)
      : slots_(slots), inputs_(inputs) {}

  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override {
    for (const std::int64_t slot : slots_) {
      if (std::ranges::find(group.slots, slot) != group.slots.end())
        inputs_[slot] = x.to(at::kCPU, at::kFloat);
    }
    return y;
  }

 private:
  std::span<const std::int64_t> slots_;
  std::map<std::int64_t, at::Tensor>& inputs_;
};

}  // namespace

// The layers in front of which the run has to stand, or to have stood, for all that is needed.
std::vector<std::int64_t> PromptRun::layers_of(const SequenceNeeds& needs) const {
  std::vector<std::int64_t> layers = needs.layers;
  // A slot's input is known when its layer has run.
  for (const std::int64_t slot : needs.slots)
    layers.push_back(base_.slots()[static_cast<std::size_t>(slot)].layer + 1);
  return layers;
}

// Whether the run is past something that was not kept.
bool PromptRun::has_passed(const SequenceNeeds& needs) const {
  const auto lacks_layer = [&](std::int64_t layer) {
    return layer < stream_.layer && !input_.states.contains(layer);
  };
  const auto lacks_slot = [&](std::int64_t slot) {
    return base_.slots()[static_cast<std::size_t>(slot)].layer < stream_.layer &&
           !input_.slot_inputs.contains(slot);
  };
  return std::ranges::any_of(needs.layers, lacks_layer) || std::ranges::any_of(needs.slots, lacks_slot);
}

const SequenceInput& PromptRun::read(const SequenceNeeds& needs, const SequenceNeeds& later) {
  std::vector<std::int64_t> layers = layers_of(needs);
  if (layers.empty()) return input_;
  const at::NoGradGuard no_gradients;
  if (has_passed(needs)) {
    stream_ = {};
    input_ = {.task = input_.task};
  }
  const std::int64_t end = *std::ranges::max_element(layers);
  for (const std::int64_t layer : later.layers) {
    if (layer < end) layers.push_back(layer);
  }
  std::erase_if(layers, [&](std::int64_t layer) { return layer < stream_.layer; });
  if (layers.empty()) return input_;
  if (pool_ && !cache_) cache_ = base_.make_cache(capacity_, pool_);
  RaggedBatch batch;
  batch.add(prompt_);
  const CapturingAdapter capture(needs.slots, input_.slot_inputs);
  const std::vector<at::Tensor> states = base_.hidden_states(batch, layers, &capture, stream_, caches());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (!all_finite(states[i])) throw not_finite_error(base_, prompt_, nullptr);
    input_.states[layers[i]] = states[i].to(at::kCPU, at::kFloat);
  }
  return input_;
}

std::optional<SequenceCache> PromptRun::finish() {
  if (!cache_ || stream_.layer == 0) return std::nullopt;
  const at::NoGradGuard no_gradients;
  RaggedBatch batch;
  batch.add(prompt_);
  batch.rows = {batch.tokens() - 1};
  const std::int64_t layers[] = {base_.shape().layers};
  // At the end the stream holds the wanted row alone, and no more is to be run.
  if (stream_.layer < layers[0]) base_.hidden_states(batch, layers, nullptr, stream_, caches());
  return std::move(cache_);
}

}  // namespace quiver
