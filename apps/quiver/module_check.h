#pragma once

#include <string>

#include "quiver/expert.h"

namespace quiver::program {

// Gives an expert the names that its modules have in the Hugging Face model of its base (Expert::decoder),
// and checks that they are there. `base`: BASE of the command line; empty: the one that the expert names,
// where it is at hand. Throws Error(kInvalidArgument), naming the module, where a BASE that was given has not
// all of them, and what reading it throws; without one warns instead.
Expert named_for_base(Expert expert, const std::string& base);

}  // namespace quiver::program
