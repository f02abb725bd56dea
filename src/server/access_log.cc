#include "server/access_log.h"

#include <algorithm>
#include <cmath>

#include "core/log.h"

namespace quiver {
namespace {

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 16 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void log_access(const HttpRequest& request, const HttpRecord& record) {
  std::vector<LogField> fields = {{"client", request.client},
                                  {"status", static_cast<double>(record.status)},
                                  {"bytes", static_cast<double>(record.bytes)},
                                  {"ms", std::round(record.seconds * 1e4) / 10}};
  if (!record.is_whole) fields.emplace_back("cut", std::string("yes"));
  for (const auto& [name, value] : record.notes) {
    if (is_number(value)) {
      fields.emplace_back(name, std::stod(value));
    } else {
      fields.emplace_back(name, value);
    }
  }
  log({LogLevel::kInfo, request.method + " " + request.path, std::move(fields)});
}

}  // namespace quiver
