#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "support/test_support.h"
#include "tensor/byte_builder.h"

namespace quiver::test {

// The message, without path and hint, with which `read` refuses a file of these bytes; "" where it does not.
inline std::string file_problem(const std::string& bytes,
                                const std::function<void(const std::filesystem::path&)>& read) {
  const ScratchDirectory scratch;
  write_bytes(scratch / "x", bytes);
  try {
    read(scratch / "x");
  } catch (const Error& error) {
    const std::string message = error.what();
    const std::string path = (scratch / "x").string() + ": ";
    EXPECT_TRUE(message.starts_with(path)) << message;
    return message.substr(path.size());
  }
  return "";
}

}  // namespace quiver::test
