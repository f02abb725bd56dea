#include "tensor/file_problem.h"

#include "core/json.h"

namespace quiver {

namespace {

// JSON's escapes leave DEL and the controls U+0080 to U+009F, which terminals obey too, as they are.
std::string escape(std::string_view text) {
  const std::string json = dump_json(std::string(text));
  std::string result;
  for (std::size_t i = 1; i + 1 < json.size(); ++i) {
    const auto byte = static_cast<unsigned char>(json[i]);
    const auto next = static_cast<unsigned char>(json[i + 1]);
    if (byte == 0x7f) {
      result += "\\u007f";
    } else if (byte == 0xc2 && next < 0xa0) {
      constexpr char kDigits[] = "0123456789abcdef";
      result += std::string("\\u00") + kDigits[next >> 4] + kDigits[next & 15];
      ++i;
    } else {
      result += json[i];
    }
  }
  return result;
}

}  // namespace

std::string printable(std::string_view text, std::size_t max_bytes) {
  return text.size() <= max_bytes ? escape(text) : escape(text.substr(0, max_bytes)) + "...";
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMaxBytes = 100;
  return '"' + escape(text.substr(0, kMaxBytes)) + (text.size() <= kMaxBytes ? "\"" : "\"...");
}

void throw_corrupt(const std::filesystem::path& path, const std::string& problem) {
  throw Error(ErrorKind::kCorruptFile, path.string() + ": " + problem,
              "the file is damaged or was cut short; fetch or write it again");
}

}  // namespace quiver
