// A routed model composed while its library's experts are replaced: every expert has the routing vectors that
// belong to its weights.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "modular/routed_fixture.h"

namespace quiver::test {
namespace {

// The golden experts in a version that shows in both: B times `version`, every routing vector `version`.
void fill(ExpertLibrary& library, double version) {
  for (Expert expert : golden_experts()) {
    Artefact artefact{.settings = Json::object(), .tensors = {}};
    for (auto& [path, weights] : expert.modules) {
      weights.b = weights.b * version;
      artefact.tensors[path] = at::full({weights.a.size(1)}, version);
    }
    library.add(expert);
    library.put_artefact(expert.info.name, "arrow", artefact);
  }
}

TEST(ComposeConcurrency, WeightsAndPrototypesAreOfOneVersion) {
  const ScratchDirectory scratch;
  std::vector<ExpertLibrary> versions;
  for (const double version : {1.0, 2.0}) {
    versions.push_back(ExpertLibrary::create((scratch / std::to_string(version)).string()));
    fill(versions.back(), version);
  }
  ExpertLibrary library = ExpertLibrary::create((scratch / "library").string());
  versions[0].clone_to(library, IfExists::kReplace);
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int turn = 1; !done; ++turn) versions[turn % 2].clone_to(library, IfExists::kReplace);
  });
  const std::string slot = "model.layers.1.self_attn.k_proj";
  std::map<std::string, at::Tensor> first;
  int seen[2] = {0, 0};
  for (int round = 0; round < 100; ++round) {
    const std::filesystem::path saved = scratch / "saved";
    RoutedModel::compose(golden_base("tiny_llama"), library, parse_router("arrow")).save(saved);
    const SafetensorsFile file = SafetensorsFile::open(saved / "experts.safetensors");
    const at::Tensor vectors = file.read(slot + ".routing");  // (E, in)
    for (std::int64_t e = 0; e < vectors.size(0); ++e) {
      const at::Tensor b = file.read("experts." + std::to_string(e) + "." + slot + ".b");  // (r, out)
      const Expert original = golden_experts()[static_cast<std::size_t>(e)];
      const LoraWeights& weights = original.modules.at(slot);
      const double version = vectors[e][0].item<double>();
      const at::Tensor expected = weights.b.t() * weights.scale * version;
      ASSERT_TRUE(at::allclose(b, expected)) << "round " << round;
      ++seen[version == 1.0 ? 0 : 1];
    }
  }
  done = true;
  writer.join();
  EXPECT_GT(seen[0], 0);  // both versions were met
  EXPECT_GT(seen[1], 0);
}

}  // namespace
}  // namespace quiver::test
