#pragma once

#include <exception>

#include "quiver/error.h"

namespace quiver::program {

// A failure in one line of our words: an Error as it is; what LibTorch, the file system or the memory threw
// with what it says about the cause.
Error describe_failure(const std::exception& failure);

}  // namespace quiver::program
