#include "protocol/adapter_requests.h"

#include "protocol/api_error.h"
#include "protocol/request_fields.h"

namespace quiver {
namespace {

std::string needed(RequestFields& fields, const std::string& name) {
  const std::optional<std::string> value = fields.text(name);
  if (!value || value->empty()) throw ApiError(400, fields.quoted(name) + " is missing", name);
  return *value;
}

}  // namespace

LoadAdapterRequest LoadAdapterRequest::parse(const OrderedJson& body) {
  RequestFields fields(body);
  LoadAdapterRequest request{.name = needed(fields, "lora_name"), .path = needed(fields, "lora_path")};
  request.replace = fields.flag("load_inplace").value_or(false);
  fields.ignore({"base_model_name"});
  fields.finish();
  return request;
}

UnloadAdapterRequest UnloadAdapterRequest::parse(const OrderedJson& body) {
  RequestFields fields(body);
  UnloadAdapterRequest request{.name = needed(fields, "lora_name")};
  fields.ignore({"lora_int_id"});
  fields.finish();
  return request;
}

}  // namespace quiver
