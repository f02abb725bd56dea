#pragma once

#include <optional>
#include <span>

#include "quiver/expert.h"
#include "quiver/router.h"

namespace quiver {

// Whether an expert was trained with begin-of-text: kAlways or kNever, as the key `bos` of its training
// record says. kNever too for a record without the key: 0.1.0, which put none, wrote such, and so do
// trainings on a base whose tokenizer puts none, and mttl. kAuto: unknown, there is no record, as for
// adapters from elsewhere.
BeginOfText recorded_begin_of_text(const ExpertInfo& expert);

// What a model of these experts and this router puts before its texts. Throws Error(kInvalidArgument) naming
// two experts of which one was trained with begin-of-text and one without, unless router.bos decides.
BeginOfText resolve_begin_of_text(const RouterOptions& router, std::span<const ExpertInfo> experts);

}  // namespace quiver
