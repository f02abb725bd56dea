#include "log_output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "interrupt.h"
#include "quiver/log.h"

namespace quiver::program {
namespace {

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

std::string json_line(const LogMessage& message) {
  nlohmann::json line = {{"level", level_name(message.level)}, {"message", message.text}};
  for (const auto& [name, value] : message.fields)
    std::visit([&, &key = name](const auto& v) { line[key] = v; }, value);
  // Replace rather than throw on broken UTF-8: a log line must never fail.
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void write_log_to_stderr(LogFormat format, LogDetail detail) {
  set_log_sink([=](const LogMessage& message) {
    if (detail == LogDetail::kNoInfo && message.level == LogLevel::kInfo) return;
    const std::string line = format == LogFormat::kJson ? json_line(message) : log_line(message);
    const char* clear = isatty(STDERR_FILENO) ? "\r\033[K" : "";
    if (std::fprintf(stderr, "%s%s\n", clear, line.c_str()) < 0 && errno == EPIPE) set_log_reader_gone();
  });
}

}  // namespace quiver::program
