#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "quiver/base_model.h"
#include "support/test_support.h"

namespace quiver::test {

// What the JSON files under tests/golden/ hold.
inline Json golden_json(const std::string& name) { return read_json_file(golden_path(name)); }

inline std::vector<std::int32_t> ids_of(const Json& json) { return json.get<std::vector<std::int32_t>>(); }

// One of the tiny models, loaded once a process.
inline std::shared_ptr<const BaseModel> golden_base(const std::string& name) {
  static std::map<std::string, std::shared_ptr<const BaseModel>> loaded;
  std::shared_ptr<const BaseModel>& base = loaded[name];
  if (!base) base = BaseModel::load(golden_path(name));
  return base;
}

inline RaggedBatch batch_of(const std::vector<std::vector<std::int32_t>>& sequences) {
  RaggedBatch batch;
  for (const std::vector<std::int32_t>& sequence : sequences) batch.add(sequence);
  return batch;
}

}  // namespace quiver::test
