#include "core/log.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>

#include "core/interrupt.h"
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

}  // namespace

void set_log_options(const LogOptions& options) { options_storage() = options; }

const LogOptions& log_options() { return options_storage(); }

void log(LogLevel level, const std::string& message) {
  static std::mutex mutex;
  const LogOptions& options = options_storage();
  if (options.quiet && level == LogLevel::kInfo) return;
  std::string line;
  if (options.format == LogFormat::kJson) {
    // Replace rather than throw on broken UTF-8: a log line must never fail.
    line = nlohmann::json{{"level", level_name(level)}, {"message", message}}.dump(
        -1, ' ', false, nlohmann::json::error_handler_t::replace);
  } else {
    const std::string prefix = level == LogLevel::kInfo ? "" : std::string(level_name(level)) + ": ";
    line = "quiver: " + prefix + escape_controls(message);
  }
  std::lock_guard lock(mutex);
  const char* clear = isatty(STDERR_FILENO) ? "\r\033[K" : "";
  if (std::fprintf(stderr, "%s%s\n", clear, line.c_str()) < 0 && errno == EPIPE) set_log_reader_gone();
}

}  // namespace quiver
