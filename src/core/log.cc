#include "core/log.h"

#include <cstdio>
#include <utility>

#include "core/mutex.h"
#include "core/strings.h"

namespace quiver {
namespace {

class CurrentSink {
 public:
  void set(LogSink sink) QUIVER_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    std::swap(sink_, sink);
  }

  void write(const LogMessage& message) QUIVER_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (!sink_) {
      std::fprintf(stderr, "%s\n", log_line(message).c_str());
      return;
    }
    try {
      sink_(message);
    } catch (...) {  // see set_log_sink
    }
  }

 private:
  Mutex mutex_;
  LogSink sink_ QUIVER_GUARDED_BY(mutex_);
};

CurrentSink& current_sink() {
  static CurrentSink sink;
  return sink;
}

const char* prefix(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "";
    case LogLevel::kWarning:
      return "warning: ";
    case LogLevel::kError:
      return "error: ";
  }
  return "";
}

}  // namespace

std::string log_line(const LogMessage& message) {
  std::string line = std::string("quiver: ") + prefix(message.level) + escape_controls(message.text);
  for (const auto& [name, value] : message.fields) {
    const double* const number = std::get_if<double>(&value);
    char digits[32];
    if (number != nullptr) std::snprintf(digits, sizeof digits, "%.12g", *number);
    line += " " + name + "=" + (number != nullptr ? digits : escape_controls(std::get<std::string>(value)));
  }
  return line;
}

void set_log_sink(LogSink sink) { current_sink().set(std::move(sink)); }

void log(const LogMessage& message) { current_sink().write(message); }

}  // namespace quiver
