#include "storage/names.h"

#include <algorithm>

#include "core/json.h"

namespace quiver {
namespace {

constexpr std::size_t kMaxBytes = 200;  // file systems stop at 255; artefact files add a suffix

bool is_valid_utf8(const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

}  // namespace

bool is_valid_name(const std::string& name) {
  const bool bad_byte = std::any_of(name.begin(), name.end(),
                                    [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '/'; });
  return !name.empty() && name.size() <= kMaxBytes && name.front() != '.' && !bad_byte &&
         name != "library.json" && is_valid_utf8(name);
}

void require_valid_name(const std::string& name, const std::string& what) {
  if (is_valid_name(name)) return;
  // As JSON, so that control characters are shown and not printed.
  throw Error(ErrorKind::kInvalidArgument,
              what + " " + dump_json(Json(name.substr(0, 250))) + " is not valid",
              "1 to 200 bytes of UTF-8 without '/' or control characters, not starting with '.'");
}

void require_new_name(const std::string& name, const std::string& what) {
  require_valid_name(name, what);
  if (name.find(',') == std::string::npos) return;
  throw Error(ErrorKind::kInvalidArgument, what + " " + dump_json(Json(name)) + " holds a comma",
              "commas separate names, as in --router and --experts: give another name");
}

}  // namespace quiver
