#pragma once

#include <string>

#include "core/ordered_json.h"

namespace quiver {

// The body of POST /v1/load_lora_adapter, as vLLM has it.
struct LoadAdapterRequest {
  std::string name = {};  // `lora_name`
  std::string path = {};  // `lora_path`
  bool replace = false;   // `load_inplace`

  // Throws ApiError 400.
  static LoadAdapterRequest parse(const OrderedJson& body);
};

// The body of POST /v1/unload_lora_adapter.
struct UnloadAdapterRequest {
  std::string name = {};

  static UnloadAdapterRequest parse(const OrderedJson& body);
};

}  // namespace quiver
