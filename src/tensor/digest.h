#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>

namespace quiver {

// SHA-256, in lower-case hexadecimal, over name, element type, shape and values of all tensors in name order;
// every part is preceded by its length, so that different tensors never give the same bytes. Independent of
// device and strides. Throws Error(kUnsupported) for an element type that safetensors cannot hold.
std::string tensor_digest(const std::map<std::string, at::Tensor>& tensors);

}  // namespace quiver
