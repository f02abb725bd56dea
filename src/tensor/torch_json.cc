#include "tensor/torch_json.h"

#include "tensor/dtype.h"

namespace quiver {
namespace {

std::string key_text(const TorchValue& key) {
  const Json json = to_json(key);
  return json.is_string() ? json.get<std::string>() : dump_json(json);
}

struct ToJson {
  Json operator()(std::monostate) const { return nullptr; }
  Json operator()(bool value) const { return value; }
  Json operator()(std::int64_t value) const { return value; }
  Json operator()(double value) const { return value; }
  Json operator()(const std::string& text) const { return text; }
  Json operator()(const at::Tensor& tensor) const { return "tensor of shape " + shape_text(tensor.sizes()); }
  Json operator()(const TorchValue::List& items) const {
    Json list = Json::array();
    for (const TorchValue& item : items) list.push_back(to_json(item));
    return list;
  }
  Json operator()(const TorchValue::Dict& entries) const {
    Json object = Json::object();
    for (const auto& [key, value] : entries) object[key_text(key)] = to_json(value);
    return object;
  }
};

}  // namespace

Json to_json(const TorchValue& value) { return std::visit(ToJson(), value.value); }

TorchValue to_torch_value(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return {json.get<bool>()};
    case Json::value_t::number_integer:
      return {json.get<std::int64_t>()};
    case Json::value_t::number_unsigned:
      if (const auto number = json.get<std::uint64_t>(); number > INT64_MAX)
        return {static_cast<double>(number)};
      return {json.get<std::int64_t>()};
    case Json::value_t::number_float:
      return {json.get<double>()};
    case Json::value_t::string:
      return {json.get<std::string>()};
    case Json::value_t::array: {
      TorchValue::List items;
      for (const Json& item : json) items.push_back(to_torch_value(item));
      return {std::move(items)};
    }
    case Json::value_t::object: {
      TorchValue::Dict entries;
      for (const auto& [key, value] : json.items()) entries.push_back({{key}, to_torch_value(value)});
      return {std::move(entries)};
    }
    case Json::value_t::null:
    case Json::value_t::binary:
    case Json::value_t::discarded:
      break;
  }
  return {};
}

}  // namespace quiver
