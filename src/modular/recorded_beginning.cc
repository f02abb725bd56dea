#include "modular/recorded_beginning.h"

#include "core/log.h"
#include "expert/begin_of_text_record.h"

namespace quiver {
namespace {

std::string trained(BeginOfText setting) {
  return setting == BeginOfText::kAlways ? "with begin-of-text" : "without begin-of-text";
}

}  // namespace

BeginOfText resolve_begin_of_text(const RouterOptions& router, std::span<const ExpertInfo> experts) {
  if (router.bos == BeginOfText::kAuto && router.compat == Compat::kMttl) return BeginOfText::kNever;
  const ExpertInfo* known = nullptr;
  for (const ExpertInfo& expert : experts) {
    if (!router.expert.empty() && expert.name != router.expert) continue;
    const BeginOfText recorded = recorded_begin_of_text(expert);
    if (recorded == BeginOfText::kAuto) continue;
    if (router.bos != BeginOfText::kAuto) {
      if (recorded == router.bos) continue;
      log_warning("expert '" + expert.name + "' was trained " + trained(recorded) + ", and runs " +
                  trained(router.bos));
      break;
    }
    if (known == nullptr) known = &expert;
    const BeginOfText first = recorded_begin_of_text(*known);
    if (first == recorded) continue;
    throw Error(ErrorKind::kInvalidArgument,
                "expert '" + known->name + "' was trained " + trained(first) + ", '" + expert.name + "' " +
                    trained(recorded),
                "--bos always or never runs both alike; or train one again");
  }
  if (router.bos != BeginOfText::kAuto) return router.bos;
  return known == nullptr ? BeginOfText::kAuto : recorded_begin_of_text(*known);
}

}  // namespace quiver
