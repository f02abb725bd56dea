#pragma once

#include <string>

namespace quiver {

enum class LogFormat { kText, kJson };
enum class LogLevel { kInfo, kWarning, kError };

// Process-wide logging settings, set once by a program before it starts work. Defaults: text, not quiet.
struct LogOptions {
  LogFormat format = LogFormat::kText;
  bool quiet = false;  // drop kInfo
};
void set_log_options(const LogOptions& options);
const LogOptions& log_options();

// Writes one line to stderr: `quiver: message`, control characters escaped, or a JSON object with `level` and
// `message`. Thread-safe. A progress bar on the terminal is cleared first.
void log(LogLevel level, const std::string& message);
inline void log_info(const std::string& message) { log(LogLevel::kInfo, message); }
inline void log_warning(const std::string& message) { log(LogLevel::kWarning, message); }

}  // namespace quiver
