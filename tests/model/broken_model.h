#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "core/files.h"
#include "support/golden.h"
#include "tensor/safetensors.h"

namespace quiver::test {

// A copy of a golden model that a test damages.
class BrokenModelTest : public testing::Test {
 protected:
  // A golden model with tiny_llama's tokenizer where it has none of its own.
  std::filesystem::path copy(const std::string& name) {
    std::filesystem::remove_all(directory());
    std::filesystem::copy(golden_path(name), directory());
    if (!std::filesystem::exists(directory() / "tokenizer.json"))
      std::filesystem::copy(golden_path("tiny_llama/tokenizer.json"), directory());
    return directory();
  }
  std::filesystem::path directory() const { return scratch_ / "model"; }

  void edit_config(const std::function<void(Json&)>& edit) {
    Json config = read_json_file(directory() / "config.json");
    edit(config);
    write_file_atomic(directory() / "config.json", dump_json(config));
  }

  void edit_weights(const std::function<void(std::map<std::string, at::Tensor>&)>& edit) {
    std::map<std::string, at::Tensor> tensors;
    const SafetensorsFile file = SafetensorsFile::open(directory() / "model.safetensors");
    for (const std::string& name : file.names()) tensors[name] = file.read(name);
    edit(tensors);
    write_safetensors(directory() / "model.safetensors", tensors);
  }

  std::string load_error() {
    return error_message([&] { BaseModel::load(directory()); });
  }

  // What loading says on stderr.
  std::string load_warnings() {
    testing::internal::CaptureStderr();
    BaseModel::load(directory());
    return testing::internal::GetCapturedStderr();
  }

  // The message after one change of config.json.
  std::string config_error(const std::string& model, const std::string& key, const Json& value) {
    copy(model);
    edit_config([&](Json& config) { config[key] = value; });
    return load_error();
  }

  ScratchDirectory scratch_;
};

}  // namespace quiver::test
