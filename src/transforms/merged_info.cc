#include "transforms/merged_info.h"

#include "expert/begin_of_text_record.h"
#include "quiver/error.h"

namespace quiver {

void MergedInfo::add(const Expert& expert) {
  add_without_tasks(expert);
  tasks_.insert(expert.info.tasks.begin(), expert.info.tasks.end());
}

void MergedInfo::add_without_tasks(const Expert& expert) {
  const ExpertInfo& info = expert.info;
  if (decoder_.empty()) decoder_ = expert.decoder;
  if (first_.empty()) {
    first_ = info.name;
    info_.base_model = info.base_model;
    info_.base_fingerprint = info.base_fingerprint;
    info_.lora = info.lora;
  }
  if (!info.base_fingerprint.empty() && !info_.base_fingerprint.empty() &&
      info.base_fingerprint != info_.base_fingerprint) {
    throw Error(ErrorKind::kInvalidArgument,
                "experts '" + first_ + "' and '" + info.name + "' were trained on different bases");
  }
  if (info_.base_fingerprint.empty()) info_.base_fingerprint = info.base_fingerprint;
  add_beginning(info);
}

// Experts that want different texts make none that fits either.
void MergedInfo::add_beginning(const ExpertInfo& info) {
  const BeginOfText recorded = recorded_begin_of_text(info);
  if (recorded == BeginOfText::kAuto) return;
  if (beginning_ != BeginOfText::kAuto && beginning_ != recorded) {
    throw Error(
        ErrorKind::kInvalidArgument,
        "some of the experts were trained with begin-of-text, some without, such as '" + info.name + "'");
  }
  beginning_ = recorded;
}

ExpertInfo MergedInfo::finish(const std::string& name, const std::map<std::string, LoraWeights>& modules,
                              const Json& training) {
  info_.name = name;
  info_.tasks.assign(tasks_.begin(), tasks_.end());
  info_.lora.rank = 1;
  for (const auto& [path, lora] : modules) info_.lora.rank = std::max(info_.lora.rank, lora.a.size(0));
  info_.lora.alpha = static_cast<double>(info_.lora.rank) * modules.begin()->second.scale;
  info_.training = training;
  if (beginning_ != BeginOfText::kNever) info_.training["bos"] = begin_of_text_name(beginning_);
  return info_;
}

}  // namespace quiver
