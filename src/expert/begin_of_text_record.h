#pragma once

#include "quiver/begin_of_text.h"
#include "quiver/expert.h"

namespace quiver {

// Whether an expert was trained with begin-of-text: kAlways or kNever, as the key `bos` of its training
// record says. kNever too for a record without the key: 0.1.0, which put none, wrote such, and so do
// trainings on a base whose tokenizer puts none, and mttl. kAuto: unknown, there is no record, as for
// adapters from elsewhere.
BeginOfText recorded_begin_of_text(const ExpertInfo& expert);

}  // namespace quiver
