#include "core/log.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>

#include "core/interrupt.h"
#include "core/log_fields.h"
#include "core/strings.h"

namespace quiver {
namespace {

LogOptions& options_storage() {
  static LogOptions options;
  return options;
}

const char* level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "";
}

std::string json_line(LogLevel level, const std::string& message, const std::vector<LogField>& fields) {
  nlohmann::json line = {{"level", level_name(level)}, {"message", message}};
  for (const auto& [name, value] : fields)
    std::visit([&, &key = name](const auto& v) { line[key] = v; }, value);
  // Replace rather than throw on broken UTF-8: a log line must never fail.
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string text_line(LogLevel level, const std::string& message, const std::vector<LogField>& fields) {
  const std::string prefix = level == LogLevel::kInfo ? "" : std::string(level_name(level)) + ": ";
  std::string line = "quiver: " + prefix + escape_controls(message);
  for (const auto& [name, value] : fields) {
    const double* const number = std::get_if<double>(&value);
    char digits[32];
    if (number != nullptr) std::snprintf(digits, sizeof digits, "%.12g", *number);
    line += " " + name + "=" + (number != nullptr ? digits : escape_controls(std::get<std::string>(value)));
  }
  return line;
}

}  // namespace

void set_log_options(const LogOptions& options) { options_storage() = options; }

const LogOptions& log_options() { return options_storage(); }

void log(LogLevel level, const std::string& message) { log(level, message, {}); }

void log(LogLevel level, const std::string& message, const std::vector<LogField>& fields) {
  static std::mutex mutex;
  const LogOptions& options = options_storage();
  if (options.quiet && level == LogLevel::kInfo) return;
  const std::string line = options.format == LogFormat::kJson ? json_line(level, message, fields)
                                                              : text_line(level, message, fields);
  std::lock_guard lock(mutex);
  const char* clear = isatty(STDERR_FILENO) ? "\r\033[K" : "";
  if (std::fprintf(stderr, "%s%s\n", clear, line.c_str()) < 0 && errno == EPIPE) set_log_reader_gone();
}

}  // namespace quiver
