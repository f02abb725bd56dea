#pragma once

#include <torch/version.h>

#include <string>

#include "quiver/version.h"

namespace quiver::program {

// What --version prints. LibTorch's version is a macro: nothing is loaded for it.
inline std::string version_text() {
  return std::string("quiver ") + kVersion + "\nLibTorch " + TORCH_VERSION +
         "\ndevices: cpu (cuda is opened at run time by --device cuda)";
}

}  // namespace quiver::program
