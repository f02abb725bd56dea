#pragma once

#include <ATen/ATen.h>

#include <string>

namespace quiver {

// The device named "cpu", "cuda" or "cuda:N". The first use of CUDA loads LibTorch's CUDA library, which
// Quiver does not link. Throws Error(kInvalidArgument) for another name, and Error(kUnsupported) when this
// machine or this LibTorch has no CUDA or no device N. Thread-safe.
at::Device parse_device(const std::string& name);

}  // namespace quiver
