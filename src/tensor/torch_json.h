#pragma once

#include "core/json.h"
#include "tensor/torch_value.h"

namespace quiver {

// Settings that were pickled, as JSON: a key that is no text is written as text, a tensor as a text that says
// its shape.
Json to_json(const TorchValue& value);

// JSON as plain values for write_torch_file. A number is whole where it is written so; one beyond 63 bits
// becomes a float.
TorchValue to_torch_value(const Json& json);

}  // namespace quiver
