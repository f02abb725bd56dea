#include "model/families/family.h"

namespace quiver {

const Family& find_family(const std::string& model_type) {
  if (model_type == "llama") return kLlamaFamily;
  if (model_type == "gpt_neo") return kGptNeoFamily;
  throw Error(ErrorKind::kUnsupported, "model family '" + model_type + "' is not supported",
              "supported families: llama, gpt_neo");
}

}  // namespace quiver
