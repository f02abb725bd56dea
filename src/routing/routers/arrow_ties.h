#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "routing/routers/router_method.h"

namespace quiver {

// The updates of an expert's slots that share a prototype, as one.
struct TiedUpdate {
  std::vector<std::int64_t> slots;
  at::Tensor a;  // (r, in)
  at::Tensor b;  // (out, r)
};

// Every slot that the expert adapts, tied as Arrow's settings `tie_params` and `tie_op` say. concat puts the
// updates one below the other, (B1 A1; B2 A2; ...), sum adds them. As mttl's tie_params, which its A's have
// to be equal for; here they need not be. Throws Error(kInvalidArgument) for what tied_parameters() throws,
// for a tied B, for inputs, or with sum outputs, of different widths.
std::vector<TiedUpdate> tied_updates(const RouterParts& parts, std::size_t expert);

}  // namespace quiver
