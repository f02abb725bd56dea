#pragma once

#include "server/routes.h"
#include "server/server_context.h"

namespace quiver {

// GET /health, /version, /metrics, /v1/models and /v1/models/NAME, /lora-adapters.
void add_status_routes(Routes& routes, ServerContext& context);

}  // namespace quiver
