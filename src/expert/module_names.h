#pragma once

#include <string>

#include "quiver/expert.h"

namespace quiver {

// A module's path in two parts. A model with other inputs beside text nests its decoder:
// "model.language_model.layers.0.mlp.up_proj", or "language_model.model.layers.0..." as transformers before
// 4.52 built it, is "model.layers.0.mlp.up_proj" of the decoder "model.language_model".
struct ModuleName {
  std::string path;     // as a model of text alone has it
  std::string decoder;  // as Expert::decoder
};
ModuleName split_module_name(const std::string& name);

// The inverse: the module's path in the model whose decoder stands there.
std::string module_name(const std::string& path, const std::string& decoder);

// The expert with its modules under the names of the model that it belongs to, as PEFT and mttl write them;
// and back. Throws Error(kCorruptFile) with `where` for a module that is there under two names.
Expert with_full_names(const Expert& expert);
Expert with_plain_names(const Expert& named, const std::string& where);

}  // namespace quiver
