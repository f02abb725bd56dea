#pragma once

#include <map>
#include <string>

#include "quiver/library.h"

namespace quiver {

// What tells one version of an expert on disk from the next without reading it: numbers and times of its
// files.
struct ExpertStamp {
  std::string weights;
  std::string artefacts;
  bool operator==(const ExpertStamp&) const = default;
};

// By name. Throws as ExpertLibrary::names().
std::map<std::string, ExpertStamp> library_stamps(const ExpertLibrary& library);
// Of one expert; empty texts where it is not there.
ExpertStamp expert_stamp(const ExpertLibrary& library, const std::string& name);

}  // namespace quiver
