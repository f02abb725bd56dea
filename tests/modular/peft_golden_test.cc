// Golden files: tests/golden/make_peft_adapters.py.
#include <ATen/core/grad_mode.h>

#include "modular/routed_fixture.h"
#include "support/tensors.h"

namespace quiver {
namespace {

std::shared_ptr<const BaseModel> load_base(const std::string& path) {
  const std::string families = "families/";
  return path.starts_with(families) ? test::load_family(path.substr(families.size()))
                                    : test::golden_base(path);
}

// PEFT saved each adapter and ran it after loading it again; rounding alone makes the difference.
TEST(PeftGoldenTest, AdaptersGiveTheLogitsThatPeftGives) {
  const at::NoGradGuard no_gradients;
  const Json golden = test::golden_json("peft_adapters.json");
  const SafetensorsFile expected = SafetensorsFile::open(test::golden_path("peft_adapters.safetensors"));
  const RaggedBatch batch = test::batch_of({test::ids_of(golden.at("ids"))});
  const test::ScratchDirectory scratch;
  ASSERT_EQ(golden.at("cases").size(), 7u);
  for (const auto& [name, base_name] : golden.at("cases").items()) {
    SCOPED_TRACE(name);
    const auto base = load_base(base_name.get<std::string>());
    ExpertLibrary library = ExpertLibrary::create((scratch / ("library_" + name)).string());
    library.add(load_expert(test::golden_path("peft_adapters") / name));
    const RoutedModel model = RoutedModel::compose(base, library, parse_router("expert:" + name));
    const std::string tasks[] = {""};
    const at::Tensor logits = base->logits(model.forward(batch, tasks));
    EXPECT_LT(test::max_difference(logits, expected.read(name + "/logits")), 1e-4);
    // What Quiver writes of it means the same.
    save_expert(library.load(name), scratch / name);
    EXPECT_EQ(expert_digest(load_expert(scratch / name)), expert_digest(library.load(name)));
  }
}

}  // namespace
}  // namespace quiver
