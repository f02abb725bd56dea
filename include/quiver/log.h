#pragma once

#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace quiver {

enum class LogLevel { kInfo, kWarning, kError };

// A name with a number or a text.
using LogField = std::pair<std::string, std::variant<double, std::string>>;

// What the library tells beside its results: a warning of a setting that is not used, a checkpoint that is
// gone on with, a served request. Failures are exceptions, not messages.
struct LogMessage {
  LogLevel level = LogLevel::kInfo;
  std::string text;                   // one line; may hold control characters that stood in input
  std::vector<LogField> fields = {};  // of a served request: client, status, milliseconds, ...
};

// The message as one line without its end: `quiver: warning: text name=value`, control characters escaped.
std::string log_line(const LogMessage& message);

using LogSink = std::function<void(const LogMessage&)>;

// Where messages go from now on, in the whole process: by default, and with an empty sink, as log_line() to
// stderr. The sink is called from whichever thread has something to tell, one call at a time. It must not log
// or set a sink itself; what it throws is dropped, since no work fails for a message. When set_log_sink()
// returns, the sink before is not running and is not called again. Thread-safe.
void set_log_sink(LogSink sink);

}  // namespace quiver
