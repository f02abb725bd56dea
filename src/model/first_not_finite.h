#pragma once

#include <span>

#include "quiver/base_model.h"
#include "quiver/error.h"

namespace quiver {

// The error for a text whose hidden states, logits or loss are NaN or infinite. It names the first linear
// layer in whose input, product or update such a number stands, and whether base or adapter brought it in;
// for that it runs the text again. `ids` (T): what was run.
Error not_finite_error(const BaseModel& base, std::span<const std::int32_t> ids,
                       const LinearAdapter* adapter);

// Whether all hidden states and logits of a text are finite; adapter null: of the base alone.
bool gives_finite_numbers(const BaseModel& base, std::span<const std::int32_t> ids,
                          const LinearAdapter* adapter);

}  // namespace quiver
