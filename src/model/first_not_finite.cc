#include "model/first_not_finite.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <optional>

#include "tensor/finite.h"

namespace quiver {
namespace {

using Place = std::string;  // "in the output of 'model.layers.0.mlp.down_proj'"

// Runs another adapter and looks at everything that goes in and comes out.
class Probe : public LinearAdapter {
 public:
  Probe(const BaseModel& base, const LinearAdapter* inner) : base_(base), inner_(inner) {}

  at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const override {
    if (found_) return y;
    if (!all_finite(x)) {
      found_ = "in the input of '" + slot(group.slots.front()).path + "'";
    } else if (!all_finite(y)) {
      found_ = "in the output of '" + first_in(group, y) + "'";
    } else if (inner_ != nullptr) {
      y = inner_->apply(group, x, std::move(y));
      if (!all_finite(y)) found_ = "in what the adapter adds to '" + first_in(group, y) + "'";
    }
    return y;
  }

  const std::optional<Place>& found() const { return found_; }

 private:
  const LinearSlot& slot(std::int64_t index) const { return base_.slots()[static_cast<std::size_t>(index)]; }

  const std::string& first_in(const LinearGroup& group, const at::Tensor& y) const {
    for (const std::int64_t index : group.slots) {
      const LinearSlot& layer = slot(index);
      if (!all_finite(y.slice(1, layer.column, layer.column + layer.out))) return layer.path;
    }
    return slot(group.slots.front()).path;
  }

  const BaseModel& base_;
  const LinearAdapter* inner_;
  mutable std::optional<Place> found_;
};

std::optional<Place> find_place(const BaseModel& base, std::span<const std::int32_t> ids,
                                const LinearAdapter* adapter) {
  const at::NoGradGuard no_gradients;
  const Probe probe(base, adapter);
  RaggedBatch batch;
  batch.add(ids);
  const at::Tensor hidden = base.forward(batch, &probe);
  if (probe.found()) return probe.found();
  if (!all_finite(hidden)) return "after the last layer";
  for (const at::Tensor& row : hidden.split(64)) {
    if (!all_finite(base.logits(row))) return "in the output head";
  }
  return std::nullopt;
}

}  // namespace

Error not_finite_error(const BaseModel& base, std::span<const std::int32_t> ids,
                       const LinearAdapter* adapter) {
  const std::string numbers = " gives numbers that are not finite (NaN or infinity)";
  if (const std::optional<Place> place = find_place(base, ids, nullptr); place || adapter == nullptr) {
    return {ErrorKind::kNotFinite,
            "the base model " + base.name() + numbers + (place ? ", first " + *place : ""),
            "its weights hold such numbers, or overflow: check where its files come from"};
  }
  const std::optional<Place> place = find_place(base, ids, adapter);
  return {
      ErrorKind::kNotFinite,
      "the base model " + base.name() + " with its adapter" + numbers + (place ? ", first " + *place : ""),
      "check the experts' weights and scales, and the router's temperature"};
}

bool gives_finite_numbers(const BaseModel& base, std::span<const std::int32_t> ids,
                          const LinearAdapter* adapter) {
  return !find_place(base, ids, adapter);
}

}  // namespace quiver
