#include "expert/begin_of_text_record.h"

#include "core/json.h"

namespace quiver {

BeginOfText recorded_begin_of_text(const ExpertInfo& expert) {
  if (!expert.training.is_object() || expert.training.empty()) return BeginOfText::kAuto;
  return parse_begin_of_text(
      json_value<std::string>(expert.training, "bos", "never", "training record of '" + expert.name + "'"));
}

}  // namespace quiver
