#pragma once

#include "server/routes.h"
#include "server/server_context.h"

namespace quiver {

// POST /v1/completions.
void add_completion_route(Routes& routes, ServerContext& context);

}  // namespace quiver
