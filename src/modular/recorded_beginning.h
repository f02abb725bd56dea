#pragma once

#include <span>

#include "quiver/expert.h"
#include "quiver/router.h"

namespace quiver {

// What a model of these experts and this router puts before its texts. Throws Error(kInvalidArgument) naming
// two experts of which one was trained with begin-of-text and one without, unless router.bos decides.
BeginOfText resolve_begin_of_text(const RouterOptions& router, std::span<const ExpertInfo> experts);

}  // namespace quiver
