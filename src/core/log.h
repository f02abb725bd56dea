#pragma once

#include "quiver/log.h"

namespace quiver {

// Hands the message to the sink. Thread-safe; never throws.
void log(const LogMessage& message);
inline void log_info(const std::string& text) { log({LogLevel::kInfo, text}); }
inline void log_warning(const std::string& text) { log({LogLevel::kWarning, text}); }

}  // namespace quiver
