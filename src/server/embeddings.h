#pragma once

#include "server/routes.h"
#include "server/server_context.h"

namespace quiver {

// POST /v1/embeddings: the mean of the hidden states after the last norm over a text's tokens.
void add_embedding_route(Routes& routes, ServerContext& context);

}  // namespace quiver
