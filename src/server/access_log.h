#pragma once

#include <string>

#include "http/http_message.h"

namespace quiver {

// One message for a request: who, what, how it ended; nothing of its text.
void log_access(const HttpRequest& request, const HttpRecord& record);

}  // namespace quiver
