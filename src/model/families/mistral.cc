#include "model/families/llama_like.h"

namespace quiver {
namespace {

DecoderConfig from_config(const Json& json, const std::string& where) {
  DecoderConfig config = read_llama_like("mistral", json, where);
  if (!json.contains("sliding_window")) {  // null says that there is none
    config.windows.assign(config.windows.size(), 4096);
    return config;
  }
  const std::int64_t window = json_value<std::int64_t>(json, "sliding_window", 0, where);
  if (window != 0) set_windows(config, std::vector<bool>(config.windows.size(), true), json, where);
  return config;
}

}  // namespace

// Llama with a sliding window in every layer, in the versions that have one.
const Family kMistralFamily{from_config, llama_names()};

}  // namespace quiver
