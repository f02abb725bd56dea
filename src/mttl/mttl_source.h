#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "mttl/mttl_info.h"
#include "quiver/library.h"

namespace quiver {

// An expert found in files of mttl, with what stood beside it.
struct MttlExpert {
  Expert expert;
  std::map<std::string, Artefact> artefacts;  // by kind
};

// What mttl left of experts in one place, before it is known which of them are wanted. Implementations read
// files when asked. Not thread-safe.
class MttlSource {
 public:
  virtual ~MttlSource() = default;
  // Of the experts that are not deleted, sorted.
  virtual std::vector<std::string> names() const = 0;
  // Throws Error(kCorruptFile, kUnsupported) naming the file. What is wrong with an artefact goes to
  // `problems`, data without a place in a library to `left_out`.
  virtual MttlExpert read(const std::string& name, std::vector<std::string>& left_out,
                          std::vector<std::string>& problems) = 0;
};

}  // namespace quiver
