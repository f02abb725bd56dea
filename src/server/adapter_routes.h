#pragma once

#include <memory>

#include "server/model_registry.h"
#include "server/routes.h"

namespace quiver {

// POST /v1/load_lora_adapter and /v1/unload_lora_adapter, with vLLM's bodies and answers.
void add_adapter_routes(Routes& routes, const std::shared_ptr<ModelRegistry>& models);

}  // namespace quiver
