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

// One of the models under tests/golden/families: a folder, which borrows tiny_llama's tokenizer, or a file.
inline std::shared_ptr<const BaseModel> load_family(const std::string& name,
                                                    Precision precision = Precision::kFloat32) {
  const std::filesystem::path stored = golden_path("families/" + name);
  if (name.ends_with(".gguf")) return BaseModel::load(stored, {.precision = precision});
  const ScratchDirectory scratch;
  std::filesystem::copy(stored, scratch / name);
  std::filesystem::copy(golden_path("tiny_llama/tokenizer.json"), scratch / name);
  return BaseModel::load(scratch / name, {.precision = precision});
}

inline RaggedBatch batch_of(const std::vector<std::vector<std::int32_t>>& sequences) {
  RaggedBatch batch;
  for (const std::vector<std::int32_t>& sequence : sequences) batch.add(sequence);
  return batch;
}

}  // namespace quiver::test
