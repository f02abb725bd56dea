#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quiver {

// The keys that open a server. Immutable; thread-safe.
class ApiKeys {
 public:
  // None: open to everybody.
  ApiKeys() = default;
  explicit ApiKeys(std::vector<std::string> keys) : keys_(std::move(keys)) {}
  // One key a line; empty lines and those that begin with '#' are skipped. Throws Error(kNotFound, kIo),
  // kInvalidArgument for a file without a key, for a key with spaces, and for a file that others may read.
  static ApiKeys read(const std::filesystem::path& file);

  // Whether "Bearer KEY", the value of a header Authorization, has one of the keys. Takes the same time for
  // every wrong key of one length.
  bool admit(std::optional<std::string_view> authorization) const;
  bool are_none() const { return keys_.empty(); }

 private:
  std::vector<std::string> keys_;
};

}  // namespace quiver
