#pragma once

#include "server/routes.h"
#include "server/server_context.h"

namespace quiver {

// POST /tokenize and /detokenize.
void add_token_routes(Routes& routes, ServerContext& context);

}  // namespace quiver
