#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace quiver {

// Hashes std::string and std::string_view alike, so that look-ups need no copy.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
using TextToId = std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>>;

// Token texts by id and back. Ids may have gaps.
class Vocabulary {
 public:
  // Far above any real vocabulary; keeps a hostile id from becoming an allocation.
  static constexpr std::int64_t kMaxId = (1 << 22) - 1;

  // Throws Error(kCorruptFile) naming `where` if the id is out of range or taken, or the text is there
  // already.
  void add(const std::string& content, std::int64_t id, const std::string& where);

  // `id` as one that a vocabulary can hold. Throws Error(kCorruptFile) naming `where` and the token.
  static std::int32_t checked_id(const std::string& content, std::int64_t id, const std::string& where);

  std::optional<std::int32_t> id(std::string_view content) const;
  // Null for an id without a token.
  const std::string* content(std::int64_t id) const;
  std::size_t count() const { return ids_.size(); }
  // The largest id + 1.
  std::int32_t size() const { return size_; }

 private:
  TextToId ids_;
  std::unordered_map<std::int32_t, std::string> contents_;  // no table: one claimed id costs one entry
  std::int32_t size_ = 0;
};

}  // namespace quiver
