#include "storage/snapshot.h"

#include "core/files.h"
#include "support/test_support.h"

namespace fs = std::filesystem;

namespace quiver::test {
namespace {

void publish_pair(const fs::path& parent, const fs::path& target, const std::string& text) {
  const TemporaryDirectory stage(parent);
  write_file_atomic(stage.path() / "first", text);
  write_file_atomic(stage.path() / "second", text);
  publish_directory(stage.path(), target);
}

TEST(Snapshot, AnExchangeBetweenTwoFilesIsReadAgain) {
  const ScratchDirectory scratch;
  publish_pair(scratch.path(), scratch / "pair", "old");
  std::string first, second;
  int runs = 0;
  read_snapshot(scratch / "pair", [&] {
    first = read_file(scratch / "pair" / "first", 100);
    if (++runs == 1) publish_pair(scratch.path(), scratch / "pair", "new");
    second = read_file(scratch / "pair" / "second", 100);
  });
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(first, "new");
  EXPECT_EQ(second, "new");
}

TEST(Snapshot, AFailureStandsWhenNothingChanged) {
  const ScratchDirectory scratch;
  int runs = 0;
  EXPECT_THROW(read_snapshot(scratch.path(),
                             [&] {
                               ++runs;
                               read_file(scratch / "absent", 100);
                             }),
               Error);
  EXPECT_EQ(runs, 1);
}

TEST(Snapshot, EndlessReplacementIsReported) {
  const ScratchDirectory scratch;
  fs::create_directory(scratch / "x");
  const std::string message = error_message([&] {
    read_snapshot(scratch / "x", [&] {
      const TemporaryDirectory stage(scratch.path());
      publish_directory(stage.path(), scratch / "x");
    });
  });
  EXPECT_NE(message.find("replaced faster than it can be read"), std::string::npos) << message;
}

}  // namespace
}  // namespace quiver::test
