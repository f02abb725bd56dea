#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace quiver {

// SHA-256 over bytes given in parts; lower-case hexadecimal. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(std::string_view bytes);
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Throws Error(kNotFound, kIo).
std::string sha256_file(const std::filesystem::path& path);

}  // namespace quiver
