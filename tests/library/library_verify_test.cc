#include <fstream>

#include "core/json.h"
#include "quiver/library.h"
#include "support/expert_fixture.h"
#include "support/test_support.h"

namespace fs = std::filesystem;

namespace quiver::test {
namespace {

class LibraryVerify : public testing::Test {
 protected:
  LibraryVerify() : library_(ExpertLibrary::create((scratch_ / "library").string())) {
    library_.add(make_expert("good"));
    library_.add(make_expert("bad"));
  }
  fs::path bad_file(const std::string& name) const { return scratch_ / "library" / "bad" / name; }

  // The only finding, which must be about "bad".
  std::string finding() const {
    const auto findings = library_.verify();
    EXPECT_EQ(findings.size(), 1u);
    if (findings.empty()) return "";
    EXPECT_EQ(findings[0].expert, "bad");
    EXPECT_EQ(library_.verify("bad").size(), findings.size());
    EXPECT_TRUE(library_.verify("good").empty());
    return findings[0].problem;
  }

  ScratchDirectory scratch_;
  ExpertLibrary library_;
};

TEST_F(LibraryVerify, OneFlippedBitOfTheWeights) {
  std::fstream file(bad_file("adapter_model.safetensors"), std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(-2, std::ios::end);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(-2, std::ios::end);
  file.put(byte);
  file.close();
  EXPECT_NE(finding().find("its SHA-256 is not the one in expert.json"), std::string::npos);
  EXPECT_THROW(library_.load("bad"), Error);
}

TEST_F(LibraryVerify, ACutOffWeightsFile) {
  fs::resize_file(bad_file("adapter_model.safetensors"),
                  fs::file_size(bad_file("adapter_model.safetensors")) - 8);
  EXPECT_NE(finding().find("adapter_model.safetensors"), std::string::npos);
}

TEST_F(LibraryVerify, AMissingFile) {
  fs::remove(bad_file("adapter_config.json"));
  EXPECT_NE(finding().find("it has no adapter_config.json"), std::string::npos);
}

TEST_F(LibraryVerify, ABrokenRecord) {
  std::ofstream(bad_file("expert.json")) << "{";
  EXPECT_NE(finding().find("not valid JSON"), std::string::npos);
  EXPECT_THROW(library_.info("bad"), Error);
}

TEST_F(LibraryVerify, ABrokenArtefact) {
  library_.put_artefact("bad", "arrow", {.settings = {}, .tensors = {{"x", at::ones({2})}}});
  std::ofstream(bad_file("artefacts/arrow.safetensors")) << "garbage";
  EXPECT_NE(finding().find("arrow.safetensors"), std::string::npos);
}

TEST_F(LibraryVerify, AFolderThatIsNoExpert) {
  fs::remove_all(bad_file(""));
  fs::create_directory(bad_file(""));
  EXPECT_NE(finding().find("it has no adapter_config.json"), std::string::npos);
}

TEST_F(LibraryVerify, AMissingManifest) {
  fs::remove(scratch_ / "library" / "library.json");
  const auto findings = library_.verify();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].expert, "");
}

}  // namespace
}  // namespace quiver::test
