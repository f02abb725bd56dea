#include "model/families/family.h"

namespace quiver {

const Family& find_family(const std::string& model_type) {
  if (model_type == "llama") return kLlamaFamily;
  if (model_type == "gpt_neo") return kGptNeoFamily;
  throw Error(ErrorKind::kUnsupported, "model family '" + model_type + "' is not supported",
              "supported families: llama, gpt_neo");
}

std::int64_t checked_size(std::int64_t value, const std::string& key, const std::string& where) {
  constexpr std::int64_t kLargest = 1 << 24;
  if (value < 1 || value > kLargest) {
    throw Error(ErrorKind::kCorruptFile, where + ": '" + key + "' is " + std::to_string(value) +
                                             ", not between 1 and " + std::to_string(kLargest));
  }
  return value;
}

std::int64_t require_size(const Json& config, const std::string& key, const std::string& where) {
  return checked_size(json_require<std::int64_t>(config, key, where), key, where);
}

}  // namespace quiver
