#pragma once

#include "protocol/chat_request.h"
#include "quiver/chat_template.h"
#include "server/routes.h"
#include "server/server_context.h"

namespace quiver {

// A request's messages as templates take them.
ChatRequest chat_input(const ChatFields& fields);
// Throws ApiError 400 where the server has none.
const ChatTemplate& template_of(const ServerContext& context);
// The ids that a chat is run as. Throws ApiError 400 for messages that the template refuses.
std::vector<std::int32_t> encode_chat(const ServerContext& context, const ChatFields& fields);

// POST /v1/chat/completions and /apply-template.
void add_chat_routes(Routes& routes, ServerContext& context);

}  // namespace quiver
