#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"
#include "quiver/begin_of_text.h"
#include "quiver/expert.h"

namespace quiver {

// Collects what an expert that is made of others says about itself. Throws Error(kInvalidArgument) for
// experts of different bases, or that were trained on texts that begin differently.
class MergedInfo {
 public:
  void add(const Expert& expert);
  // Its tasks are not the result's.
  void add_without_tasks(const Expert& expert);

  const std::string& decoder() const { return decoder_; }

  // How the texts of all begin, as far as they say so.
  BeginOfText beginning() const { return beginning_; }

  // `training` says how it was made.
  ExpertInfo finish(const std::string& name, const std::map<std::string, LoraWeights>& modules,
                    const Json& training);

 private:
  void add_beginning(const ExpertInfo& info);

  BeginOfText beginning_ = BeginOfText::kAuto;
  ExpertInfo info_;
  std::string decoder_;
  std::string first_;
  std::set<std::string> tasks_;
};

}  // namespace quiver
