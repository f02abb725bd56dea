#pragma once

#include <string>

#include "core/json.h"
#include "quiver/expert.h"
#include "tensor/torch_value.h"

namespace quiver {

// What mttl knows about an expert: the dict in a `.meta` file, or one of expert_infos in mttl_config.json.
struct MttlInfo {
  ExpertInfo info;
  std::string tie_params;  // names of parameters that a block shares, joined by '|'; empty: none
  bool deleted = false;    // hidden in its library, not gone
};

// Reads such a dict. Configs of versions before expert_config had a class (`__model_modifier__`, or the
// LoRA's settings among training_config) are understood. `where` goes into messages. Throws
// Error(kCorruptFile) for broken values, kUnsupported naming the modifier for an expert that is no plain
// LoRA.
MttlInfo parse_mttl_info(const Json& meta, const std::string& where);

// The dict for a `.meta` file. `rank` and `alpha` as make_mttl_weights chose them. Throws
// Error(kInvalidArgument) for a name or task that mttl cannot hold (a '.' in the name, a ',' in a task).
TorchValue make_mttl_meta(const Expert& expert, std::int64_t rank, double alpha);

}  // namespace quiver
