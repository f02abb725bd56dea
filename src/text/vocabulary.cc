#include "text/vocabulary.h"

#include <algorithm>

#include "quiver/error.h"

namespace quiver {
namespace {

[[noreturn]] void refuse(const std::string& content, std::int64_t id, const std::string& where,
                         const std::string& why) {
  throw Error(ErrorKind::kCorruptFile,
              where + ": token '" + content.substr(0, 200) + "' has id " + std::to_string(id) + ", " + why);
}

}  // namespace

std::int32_t Vocabulary::checked_id(const std::string& content, std::int64_t id, const std::string& where) {
  if (id < 0 || id > kMaxId) refuse(content, id, where, "which is outside 0.." + std::to_string(kMaxId));
  return static_cast<std::int32_t>(id);
}

void Vocabulary::add(const std::string& content, std::int64_t id, const std::string& where) {
  checked_id(content, id, where);
  if (const std::string* other = this->content(id))
    refuse(content, id, where, "which '" + other->substr(0, 200) + "' has too");
  if (const auto [known, added] = ids_.emplace(content, static_cast<std::int32_t>(id)); !added) {
    refuse(content, id, where, "but had " + std::to_string(known->second) + " before");
  }
  contents_.emplace(static_cast<std::int32_t>(id), content);
  size_ = std::max(size_, static_cast<std::int32_t>(id) + 1);
}

std::optional<std::int32_t> Vocabulary::id(std::string_view content) const {
  const auto found = ids_.find(content);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

const std::string* Vocabulary::content(std::int64_t id) const {
  if (id < 0 || id >= size()) return nullptr;
  const auto found = contents_.find(static_cast<std::int32_t>(id));
  return found == contents_.end() ? nullptr : &found->second;
}

}  // namespace quiver
