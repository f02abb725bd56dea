// Golden files: tests/golden/make_model_settings.py.
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "model/broken_model.h"
#include "model/gguf_values.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::batch_of;
using test::BrokenModelTest;
using test::ids_of;

// Settings that contradict the weights or each other: what counts is what counts in transformers.
class ModelSettingsGoldenTest : public BrokenModelTest {
 protected:
  void change_folder(const Json& change) {
    copy(change.at("model"));
    edit_config([&](Json& config) {
      for (const Json& key : change.value("erase", Json::array())) config.erase(key.get<std::string>());
      config.update(change.value("set", Json::object()));
    });
    edit_weights([&](std::map<std::string, at::Tensor>& tensors) {
      const auto items = [&](const char* key) { return change.value(key, Json::object()); };
      const Json rolled = items("rolled"), filled = items("filled"), renamed = items("renamed");
      for (const auto& [name, other] : rolled.items())
        tensors[name] = tensors.at(other.get<std::string>()).roll(1, 0).contiguous();
      for (const auto& [name, size] : filled.items())
        tensors[name] = at::full({size.get<std::int64_t>()}, 0.5);
      for (const auto& [name, other] : renamed.items()) {
        tensors[other.get<std::string>()] = tensors.at(name);
        tensors.erase(name);
      }
    });
  }

  std::shared_ptr<const BaseModel> load(const Json& change) {
    if (change.contains("file")) {
      std::vector<std::string> values;
      for (const auto& [key, value] : change.at("values").items()) {
        values.push_back(value.is_string() ? test::gguf_text(key, value.get<std::string>())
                                           : test::gguf_value(key, 6, value.get<float>()));
      }
      test::write_bytes(scratch_ / "model.gguf", test::with_gguf_values(change.at("file"), values));
      return BaseModel::load(scratch_ / "model.gguf");
    }
    change_folder(change);
    return BaseModel::load(directory());
  }
};

TEST_F(ModelSettingsGoldenTest, LogitsAreThoseOfTransformers) {
  const at::NoGradGuard no_gradients;
  const SafetensorsFile golden = SafetensorsFile::open(test::golden_path("model_settings.safetensors"));
  const Json cases = test::golden_json("model_settings.json");
  ASSERT_EQ(cases.size(), golden.names().size());
  for (const auto& [name, change] : cases.items()) {
    const auto base = load(change);
    const at::Tensor logits = base->logits(base->forward(batch_of({ids_of(change.at("ids"))})));
    EXPECT_LT(test::max_difference(logits.slice(0, -4), golden.read(name)),
              1e-4 * change.at("range").get<double>())
        << name;
  }
}

}  // namespace
}  // namespace quiver
