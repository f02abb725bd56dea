#pragma once

#include "mttl/mttl_source.h"

namespace quiver {

// A library folder of mttl. Broken `.meta` files are told to `problems` and passed over, as mttl does.
class MttlFolder : public MttlSource {
 public:
  MttlFolder(const std::filesystem::path& directory, std::vector<std::string>& problems);

  std::vector<std::string> names() const override;
  MttlExpert read(const std::string& name, std::vector<std::string>& left_out,
                  std::vector<std::string>& problems) override;

 private:
  std::filesystem::path directory_;
  std::map<std::string, MttlInfo> infos_;
  std::map<std::string, std::vector<std::filesystem::path>>
      data_;  // `.bin` files by the name before the first dot
};

// One expert from its `.ckpt` and the `.meta` beside it, or from a checkpoint of a training run that holds
// both. Throws Error(kNotFound, kIo, kCorruptFile, kUnsupported).
Expert read_mttl_checkpoint(const std::filesystem::path& checkpoint);

}  // namespace quiver
