#pragma once

#include <string>
#include <vector>

#include "model/decoder_config.h"

namespace quiver {

// What to warn about tensors of a checkpoint that the decoder does not use: one text for the biases that a
// setting turns off, one for all others; none for what changes no result (masks and rotary tables that old
// files keep, the parts for other inputs than text). Each names the first few.
std::vector<std::string> describe_unused(const std::vector<std::string>& unused, const DecoderConfig& config,
                                         const TensorNames& names);

}  // namespace quiver
