#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace quiver::test {

// A file in the making, byte by byte: numbers are little-endian.
class ByteBuilder {
 public:
  template <typename Number>
  ByteBuilder& number(Number value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  ByteBuilder& u32(std::uint32_t value) { return number(value); }
  ByteBuilder& u64(std::uint64_t value) { return number(value); }
  ByteBuilder& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  // GGUF's string: 64-bit length, bytes.
  ByteBuilder& text(std::string_view bytes) { return u64(bytes.size()).raw(bytes); }
  ByteBuilder& zeros(std::size_t count) {
    bytes_.append(count, '\0');
    return *this;
  }
  ByteBuilder& pad_to(std::size_t unit) { return zeros((unit - bytes_.size() % unit) % unit); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  // Some file systems flush a file that is truncated and written again, which costs milliseconds each time.
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A safetensors file with this header text, unpadded, and `data` zero bytes.
inline std::string safetensors_bytes(std::string_view header, std::size_t data) {
  return ByteBuilder().u64(header.size()).raw(header).zeros(data).bytes();
}

}  // namespace quiver::test
