#include "server/api_keys.h"

#include "core/files.h"
#include "core/strings.h"
#include "quiver/error.h"

namespace quiver {
namespace {

bool equals(std::string_view given, std::string_view key) {
  unsigned difference = given.size() == key.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i)
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(key[i % key.size()]);
  return difference == 0;
}

}  // namespace

ApiKeys ApiKeys::read(const std::filesystem::path& file) {
  const std::string text = read_file(file, 1 << 20);
  const auto mode = std::filesystem::status(file).permissions();
  if ((mode & std::filesystem::perms::others_read) != std::filesystem::perms::none)
    throw Error(ErrorKind::kInvalidArgument,
                "'" + file.string() + "' holds API keys and everybody may read it", "chmod 600 it");
  std::vector<std::string> keys;
  for (const std::string& line : split_list(replace_all(text, "\r", "\n"), '\n')) {
    if (line.starts_with('#')) continue;
    // Anything else could not stand in a header.
    for (const char c : line) {
      if (c <= ' ' || c > '~')
        throw Error(ErrorKind::kInvalidArgument, "'" + file.string() + "': key " +
                                                     std::to_string(keys.size() + 1) +
                                                     " has a space or a character that no header can carry");
    }
    keys.push_back(line);
  }
  if (keys.empty())
    throw Error(ErrorKind::kInvalidArgument, "'" + file.string() + "' has no API key", "one a line");
  return ApiKeys(std::move(keys));
}

bool ApiKeys::admit(std::optional<std::string_view> authorization) const {
  if (keys_.empty()) return true;
  constexpr std::string_view kScheme = "bearer ";
  if (!authorization || authorization->size() <= kScheme.size()) return false;
  if (lower_case(std::string(authorization->substr(0, kScheme.size()))) != kScheme) return false;
  const std::string_view given = authorization->substr(kScheme.size());
  bool is_known = false;
  for (const std::string& key : keys_) is_known = equals(given, key) || is_known;
  return is_known;
}

}  // namespace quiver
