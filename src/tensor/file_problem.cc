#include "tensor/file_problem.h"

#include "core/json.h"

namespace quiver {

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMaxBytes = 100;
  if (text.size() <= kMaxBytes) return dump_json(std::string(text));
  return dump_json(std::string(text.substr(0, kMaxBytes))) + "...";
}

void throw_corrupt(const std::filesystem::path& path, const std::string& problem) {
  throw Error(ErrorKind::kCorruptFile, path.string() + ": " + problem,
              "the file is damaged or was cut short; fetch or write it again");
}

}  // namespace quiver
