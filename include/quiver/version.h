#pragma once

namespace quiver {

// The version of this library; the same as the CMake project's, which a test holds it to.
inline constexpr const char* kVersion = "0.1.0";

}  // namespace quiver
