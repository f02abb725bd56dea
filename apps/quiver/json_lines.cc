#include "json_lines.h"

#include "core/files.h"

namespace quiver::program {

std::vector<Json> read_json_lines(const std::filesystem::path& path) {
  constexpr std::uint64_t kMaxBytes = 4ull << 30;
  const std::string content = read_file(path, kMaxBytes);
  std::vector<Json> objects;
  std::size_t line_number = 0;
  for (std::size_t begin = 0; begin < content.size();) {
    const std::size_t end = std::min(content.find('\n', begin), content.size());
    ++line_number;
    const std::string_view line(content.data() + begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = path.string() + ", line " + std::to_string(line_number);
    objects.push_back(parse_json(line, where));
    if (!objects.back().is_object()) throw Error(ErrorKind::kCorruptFile, where + ": not a JSON object");
  }
  return objects;
}

std::string require_text(const Json& object, const std::string& key, const std::string& path,
                         std::size_t line) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) {
    throw Error(ErrorKind::kCorruptFile, path + ", object " + std::to_string(line) + ": '" + key + "' is " +
                                             (found == object.end() ? "missing" : "not a text"));
  }
  return found->get<std::string>();
}

void check_output(const std::string& path) {
  if (!path.empty()) check_writable(path);
}

void write_output(const std::string& path, const std::string& text) {
  if (!path.empty()) {
    write_file_atomic(path, text);
    return;
  }
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw Error(ErrorKind::kIo, "cannot write to stdout");
  }
}

}  // namespace quiver::program
