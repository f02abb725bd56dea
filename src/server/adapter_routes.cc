#include "server/adapter_routes.h"

#include "protocol/adapter_requests.h"
#include "protocol/request_json.h"

namespace quiver {
namespace {

HttpResponse success(const std::string& name, const std::string& what) {
  return {.body = "Success: LoRA adapter '" + name + "' " + what + " successfully.",
          .content_type = "text/plain; charset=utf-8"};
}

}  // namespace

void add_adapter_routes(Routes& routes, const std::shared_ptr<ModelRegistry>& models) {
  routes.add(whole_route("POST", "/v1/load_lora_adapter", [models](const HttpRequest& request) {
    const LoadAdapterRequest asked = LoadAdapterRequest::parse(parse_request(request.body));
    models->load_adapter(asked.name, asked.path, asked.replace);
    return success(asked.name, "added");
  }));
  routes.add(whole_route("POST", "/v1/unload_lora_adapter", [models](const HttpRequest& request) {
    const UnloadAdapterRequest asked = UnloadAdapterRequest::parse(parse_request(request.body));
    models->unload_adapter(asked.name);
    return success(asked.name, "removed");
  }));
}

}  // namespace quiver
