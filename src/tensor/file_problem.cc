#include "tensor/file_problem.h"

#include "core/json.h"
#include "core/strings.h"

namespace quiver {

std::string printable(std::string_view text, std::size_t max_bytes) {
  return escape_controls(text.substr(0, max_bytes)) + (text.size() <= max_bytes ? "" : "...");
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMaxBytes = 100;
  const std::string quoted = escape_controls(dump_json(std::string(text.substr(0, kMaxBytes))));
  return text.size() <= kMaxBytes ? quoted : quoted + "...";
}

void throw_corrupt(const std::filesystem::path& path, const std::string& problem) {
  throw Error(ErrorKind::kCorruptFile, path.string() + ": " + problem,
              "the file is damaged or was cut short; fetch or write it again");
}

}  // namespace quiver
