#pragma once

#include <ATen/ATen.h>

#include <span>
#include <vector>

#include "quiver/base_model.h"
#include "quiver/expert.h"

namespace quiver {

// One expert's LoRA of one slot.
struct StackedModule {
  std::size_t expert;
  std::int64_t slot;
};

// What frozen experts add to the layers of one group, side by side.
struct StackedGroup {
  at::Tensor a;      // (sum of ranks, in); undefined where no expert adapts the group
  at::Tensor b;      // (sum of ranks, group out), zeros outside the slot's columns, scales multiplied in
  at::Tensor ranks;  // (modules) int64
  std::vector<StackedModule> modules;
};

// By group of the base. Throws Error(kInvalidArgument) for an expert that adapts nothing, a module that the
// base does not have, or one of another width.
std::vector<StackedGroup> stack_by_group(const BaseModel& base, std::span<const Expert> experts);

// y + h b with b (rows of h, width of y): in y's memory when the types agree.
at::Tensor add_product(at::Tensor y, const at::Tensor& h, const at::Tensor& b);

// b^T (r, out) placed at the slot's columns of the group's output, zeros elsewhere: (r, group out).
at::Tensor spread(const at::Tensor& b, const LinearSlot& slot, const LinearGroup& group);

}  // namespace quiver
