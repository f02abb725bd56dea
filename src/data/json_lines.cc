#include "data/json_lines.h"

#include <fstream>

namespace quiver {
namespace {

constexpr std::size_t kMaxLineBytes = 64 << 20;

// std::getline without a limit would take in a whole file that has no line ends.
bool read_line(std::streambuf& input, std::string& line, const std::string& where) {
  using Traits = std::streambuf::traits_type;
  line.clear();
  int next = input.sbumpc();
  if (next == Traits::eof()) return false;
  for (; next != Traits::eof() && next != '\n'; next = input.sbumpc()) {
    if (line.size() == kMaxLineBytes) {
      throw Error(ErrorKind::kCorruptFile, where + ": the line is longer than 64 MiB");
    }
    line += Traits::to_char_type(next);
  }
  return true;
}

}  // namespace

void for_each_json_line(const std::filesystem::path& path,
                        const std::function<void(const Json&, const std::string& where)>& visit) {
  if (!std::filesystem::is_regular_file(path)) {
    throw Error(ErrorKind::kNotFound, "file '" + path.string() + "' not found");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorKind::kIo, "cannot open '" + path.string() + "'");
  std::string line;
  for (std::size_t number = 1;; ++number) {
    const std::string where = path.string() + ":" + std::to_string(number);
    if (!read_line(*file.rdbuf(), line, where)) return;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const Json row = parse_json(line, where);
    if (!row.is_object()) {
      throw Error(ErrorKind::kCorruptFile, where + ": must be a JSON object, is " + row.type_name());
    }
    visit(row, where);
  }
}

}  // namespace quiver
