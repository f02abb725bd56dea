#include "quiver/begin_of_text.h"

#include "quiver/error.h"

namespace quiver {

const char* begin_of_text_name(BeginOfText setting) {
  switch (setting) {
    case BeginOfText::kAuto:
      return "auto";
    case BeginOfText::kAlways:
      return "always";
    case BeginOfText::kNever:
      return "never";
  }
  return "";
}

BeginOfText parse_begin_of_text(const std::string& text) {
  for (const BeginOfText setting : {BeginOfText::kAuto, BeginOfText::kAlways, BeginOfText::kNever}) {
    if (text == begin_of_text_name(setting)) return setting;
  }
  throw Error(ErrorKind::kInvalidArgument, "unknown bos '" + text.substr(0, 100) + "'",
              "it is auto, always or never");
}

}  // namespace quiver
