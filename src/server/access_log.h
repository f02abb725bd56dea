#pragma once

#include <string>

#include "http/http_message.h"

namespace quiver {

// One line for a request, or one JSON object (core/log.h): who, what, how it ended; nothing of its text.
void log_access(const HttpRequest& request, const HttpRecord& record);

}  // namespace quiver
