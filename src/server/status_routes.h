#pragma once

#include "server/routes.h"
#include "server/server_context.h"

namespace quiver {

// GET /health, /version, /metrics, /v1/models and /v1/models/NAME, /lora-adapters.
void add_status_routes(Routes& routes, ServerContext& context);
// /health and /metrics of a server without models yet.
void add_loading_routes(Routes& routes, std::int64_t most_adapters);

}  // namespace quiver
