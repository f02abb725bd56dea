#pragma once

#include "mttl/mttl_source.h"

namespace quiver {

// A model folder of mttl, mttl_config.json with mttl_weights.bin: a routed model with its experts, or one
// expert that a trainer saved. The base's weights are not in it. A selector's rows of prototypes, and
// the columns of a poly_router's logits, become artefacts of their experts. Throws Error(kNotFound, kIo,
// kCorruptFile, kUnsupported).
class MttlModel : public MttlSource {
 public:
  MttlModel(const std::filesystem::path& directory, std::vector<std::string>& left_out,
            std::vector<std::string>& problems);

  std::vector<std::string> names() const override;
  MttlExpert read(const std::string& name, std::vector<std::string>& left_out,
                  std::vector<std::string>& problems) override;

 private:
  void add_expert(const Json& meta, std::vector<std::string>& problems);
  std::vector<std::string> poly_tasks(const std::string& where) const;
  void sort_tensors(bool routed, std::vector<std::string>& left_out);

  std::filesystem::path weights_path_;
  std::vector<std::string> order_;  // the rows of the prototypes
  std::map<std::string, MttlInfo> infos_;
  std::map<std::string, std::map<std::string, at::Tensor>> tensors_;  // by expert
  std::map<std::string, at::Tensor> prototypes_;  // module -> (E, in), of poly_router (E, tasks + 1)
  Json selector_;                                 // settings of the router
  std::string artefact_kind_;                     // of the prototypes; empty: none of ours
};

}  // namespace quiver
