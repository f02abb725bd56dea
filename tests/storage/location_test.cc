#include "storage/location.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "support/test_support.h"

namespace fs = std::filesystem;

namespace quiver::test {
namespace {

TEST(Location, BarePathAndLocalSchemeAreTheSame) {
  EXPECT_EQ(locate_storage("/data/experts").directory, "/data/experts");
  EXPECT_EQ(locate_storage("local:///data/experts").directory, "/data/experts");
  EXPECT_EQ(locate_storage("/data/./x/../experts/").uri, "local:///data/experts");
  EXPECT_EQ(locate_storage("experts").directory, fs::current_path() / "experts");
  EXPECT_EQ(locate_storage("local://experts/").directory, fs::current_path() / "experts");
  EXPECT_EQ(locate_storage("/").directory, "/");
}

TEST(Location, ACanonicalUriMeansItself) {
  const StorageLocation once = locate_storage("some/../library");
  const StorageLocation twice = locate_storage(once.uri);
  EXPECT_EQ(once.uri, twice.uri);
  EXPECT_EQ(once.directory, twice.directory);
}

TEST(Location, VirtualNamesAreStableAndSeparate) {
  const StorageLocation a = locate_storage("virtual://a");
  EXPECT_EQ(a.uri, "virtual://a");
  EXPECT_EQ(a.directory, locate_storage("virtual://a").directory);
  EXPECT_NE(a.directory, locate_storage("virtual://b").directory);
  EXPECT_FALSE(fs::exists(a.directory));
  EXPECT_TRUE(fs::exists(a.directory.parent_path()));
}

TEST(Location, AForkedChildLeavesTheVirtualStoreAlone) {
  const fs::path parent = locate_storage("virtual://forked").directory.parent_path();
  const pid_t child = ::fork();
  if (child == 0) std::exit(0);  // runs static destructors
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(fs::exists(parent));
}

TEST(Location, OtherPlacesAreRefused) {
  EXPECT_EQ(
      error_message([] { locate_storage("hf://user/library"); }),
      "'hf://user/library': storage scheme 'hf://' is not supported | use local://DIR, a plain path, or "
      "virtual://NAME");
  EXPECT_NE(error_message([] { locate_storage("local://"); }).find("names no storage place"),
            std::string::npos);
  EXPECT_NE(error_message([] { locate_storage(""); }).find("names no storage place"), std::string::npos);
  EXPECT_NE(error_message([] { locate_storage(std::string("a\0b", 3)); }).find("control characters"),
            std::string::npos);
  try {
    locate_storage("://x");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUnsupported);
  }
}

}  // namespace
}  // namespace quiver::test
