#include "core/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <functional>
#include <thread>

#include "support/test_support.h"

namespace quiver {
namespace {

namespace fs = std::filesystem;
using test::error_message;
using test::ScratchDirectory;

constexpr std::uint64_t kAny = 1 << 20;

void put(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

ino_t inode_of(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_ino;
}

std::vector<std::string> entries(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

// The umask of its lifetime.
class Umask {
 public:
  explicit Umask(mode_t mask) : before_(::umask(mask)) {}
  ~Umask() { ::umask(before_); }

 private:
  mode_t before_;
};

// Runs `action` in a child process that ends by SIGKILL right after it.
void run_and_be_killed(const std::function<void()>& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    action();
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(WriteFile, ReplacesAPlainFileWhole) {
  const ScratchDirectory scratch;
  put(scratch / "out", "a longer old text");
  const ino_t before = inode_of(scratch / "out");
  std::ifstream reader(scratch / "out");
  write_file_atomic(scratch / "out", "new");
  EXPECT_EQ(read_file(scratch / "out", kAny), "new");
  EXPECT_NE(inode_of(scratch / "out"), before);
  std::string seen;  // who had opened it still reads the old one, whole
  std::getline(reader, seen);
  EXPECT_EQ(seen, "a longer old text");
  EXPECT_EQ(entries(scratch.path()), std::vector<std::string>{"out"});
}

TEST(WriteFile, MakesMissingFolders) {
  const ScratchDirectory scratch;
  write_file_atomic(scratch / "a/b/out", "x");
  EXPECT_EQ(read_file(scratch / "a/b/out", kAny), "x");
}

TEST(WriteFile, FollowsLinks) {
  const ScratchDirectory scratch;
  fs::create_directory(scratch / "folder");
  put(scratch / "folder/real", "old");
  fs::create_symlink("real", scratch / "folder/near");       // relative to its own folder
  fs::create_symlink("folder/near", scratch / "link");       // a link to a link
  fs::create_symlink("folder/later", scratch / "dangling");  // leads nowhere yet
  fs::create_symlink("folder/new/deep", scratch / "dangling2");
  write_file_atomic(scratch / "link", "new");
  write_file_atomic(scratch / "dangling", "made");
  write_file_atomic(scratch / "dangling2", "made, too");
  EXPECT_TRUE(fs::is_symlink(scratch / "link"));
  EXPECT_TRUE(fs::is_symlink(scratch / "folder/near"));
  EXPECT_TRUE(fs::is_symlink(scratch / "dangling"));
  EXPECT_EQ(read_file(scratch / "folder/real", kAny), "new");
  EXPECT_EQ(read_file(scratch / "folder/later", kAny), "made");
  EXPECT_EQ(read_file(scratch / "folder/new/deep", kAny), "made, too");
}

TEST(WriteFile, RefusesACircleOfLinks) {
  const ScratchDirectory scratch;
  fs::create_symlink("b", scratch / "a");
  fs::create_symlink("a", scratch / "b");
  EXPECT_NE(error_message([&] { write_file_atomic(scratch / "a", "x"); }).find("symbolic links"),
            std::string::npos);
  EXPECT_TRUE(fs::is_symlink(scratch / "a"));
}

TEST(WriteFile, KeepsTheModeOfAFile) {
  const ScratchDirectory scratch;
  for (const mode_t mode : {0600u, 0640u, 0755u, 0666u}) {
    put(scratch / "out", "old");
    ::chmod((scratch / "out").c_str(), mode);
    write_file_atomic(scratch / "out", "new");
    EXPECT_EQ(mode_of(scratch / "out"), mode);
    EXPECT_EQ(read_file(scratch / "out", kAny), "new");
  }
}

TEST(WriteFile, HeedsTheUmask) {
  const ScratchDirectory scratch;
  for (const auto& [mask, mode] : {std::pair{077u, 0600u}, {022u, 0644u}, {002u, 0664u}}) {
    const Umask umask(mask);
    const std::string name = std::to_string(mask);
    write_file_atomic(scratch / name / "out", "x");
    EXPECT_EQ(mode_of(scratch / name / "out"), mode);
    const TemporaryDirectory folder(scratch / name);
    EXPECT_EQ(mode_of(folder.path()), 0777u & ~mask);
  }
}

TEST(WriteFile, KeepsTheOwnerOfAFile) {
  if (::geteuid() != 0) return;  // nobody else may give a file away
  const ScratchDirectory scratch;
  put(scratch / "out", "old");
  ASSERT_EQ(::chown((scratch / "out").c_str(), 1234, 5678), 0);
  write_file_atomic(scratch / "out", "new");
  struct stat status {};
  ASSERT_EQ(::stat((scratch / "out").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 1234u);
  EXPECT_EQ(status.st_gid, 5678u);
  // As somebody who may write but not give away: written over in place.
  ::chmod(scratch.path().c_str(), 0777);
  ::chmod((scratch / "out").c_str(), 0666);
  ASSERT_EQ(::seteuid(4321), 0);
  write_file_atomic(scratch / "out", "n");
  ASSERT_EQ(::seteuid(0), 0);
  ASSERT_EQ(::stat((scratch / "out").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 1234u);
  EXPECT_EQ(status.st_mode & 07777, 0666u);
  EXPECT_EQ(read_file(scratch / "out", kAny), "n");
  EXPECT_EQ(entries(scratch.path()), std::vector<std::string>{"out"});
}

TEST(WriteFile, WritesIntoAFifo) {
  const ScratchDirectory scratch;
  ASSERT_EQ(::mkfifo((scratch / "pipe").c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = read_file(scratch / "pipe", kAny); });
  write_file_atomic(scratch / "pipe", "through");
  reader.join();
  EXPECT_EQ(got, "through");
  EXPECT_TRUE(fs::is_fifo(scratch / "pipe"));
}

TEST(WriteFile, WritesIntoADevice) {
  const ScratchDirectory scratch;
  fs::create_symlink("/dev/null", scratch / "null");
  fs::create_symlink("/dev/full", scratch / "full");
  write_file_atomic(scratch / "null", "x");
  EXPECT_NE(error_message([&] { write_file_atomic(scratch / "full", "x"); }).find("No space left"),
            std::string::npos);
  EXPECT_TRUE(fs::is_symlink(scratch / "null"));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

// What is open is written where it stands: a shell's `>>` and what it wrote before are not lost.
TEST(WriteFile, WritesIntoAnOpenFileOfItsOwn) {
  const ScratchDirectory scratch;
  put(scratch / "log", "before\n");
  const Descriptor file(::open((scratch / "log").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  const std::string number = std::to_string(file.get());
  const ino_t inode = inode_of(scratch / "log");
  write_file_atomic("/proc/self/fd/" + number, "one\n");
  write_file_atomic("/dev/fd/" + number, "two\n");
  fs::create_symlink("/proc/self/fd/" + number, scratch / "link");
  write_file_atomic(scratch / "link", "three\n");
  EXPECT_EQ(read_file(scratch / "log", kAny), "before\none\ntwo\nthree\n");
  EXPECT_EQ(inode_of(scratch / "log"), inode);
  EXPECT_TRUE(fs::is_symlink(scratch / "link"));

  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Descriptor reader(ends[0]);
  Descriptor writer(ends[1]);
  write_file_atomic("/proc/self/fd/" + std::to_string(writer.get()), "through");
  writer.close();
  char text[16];
  EXPECT_EQ(::read(reader.get(), text, sizeof text), 7);
}

TEST(WriteFile, RefusesFolders) {
  const ScratchDirectory scratch;
  fs::create_directory(scratch / "folder");
  fs::create_symlink("folder", scratch / "link");
  for (const std::string name : {"folder", "folder/", "link", "new/", "."}) {
    EXPECT_EQ(error_message([&] { check_writable(scratch / name); }),
              "cannot write '" + (scratch / name).string() + "': it is a folder | name a file");
    EXPECT_NE(error_message([&] { write_file_atomic(scratch / name, "x"); }), "");
  }
  EXPECT_TRUE(fs::is_empty(scratch / "folder"));
}

TEST(WriteFile, AFullDiskLeavesTheOldContent) {
  const ScratchDirectory scratch;
  put(scratch / "out", "old");
  std::signal(SIGXFSZ, SIG_IGN);
  const pid_t child = ::fork();
  if (child == 0) {
    struct rlimit limit {
      1000, 1000
    };
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_file_atomic(scratch / "out", std::string(5000, 'x'));
    } catch (const Error&) {
      ::_exit(7);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(read_file(scratch / "out", kAny), "old");
  EXPECT_EQ(entries(scratch.path()), std::vector<std::string>{"out"});
}

TEST(CheckWritable, LooksAtThePlaceBeforeThereIsContent) {
  const ScratchDirectory scratch;
  put(scratch / "file", "old");
  check_writable(scratch / "file");
  check_writable(scratch / "new");
  check_writable(scratch / "a/b/new");
  check_writable("/dev/null");
  EXPECT_EQ(entries(scratch.path()), std::vector<std::string>{"file"});
  EXPECT_NE(error_message([&] { check_writable(scratch / "file/below"); }).find("Not a directory"),
            std::string::npos);
  EXPECT_NE(error_message([&] { check_output_directory(scratch / "file"); }).find("is not a folder"),
            std::string::npos);
  EXPECT_NE(error_message([&] { check_output_directory("/dev/null"); }).find("is not a folder"),
            std::string::npos);
  if (::geteuid() != 0) return;  // root may write everywhere: ask as somebody else
  fs::create_directory(scratch / "closed");
  ::chmod(scratch.path().c_str(), 0755);
  ASSERT_EQ(::seteuid(4321), 0);
  const std::string file = error_message([&] { check_writable(scratch / "file"); });
  const std::string fresh = error_message([&] { check_writable(scratch / "closed/new"); });
  const std::string below = error_message([&] { check_writable(scratch / "closed/a/b"); });
  const std::string folder = error_message([&] { check_output_directory(scratch / "closed/folder"); });
  ASSERT_EQ(::seteuid(0), 0);
  for (const std::string& message : {file, fresh, below, folder})
    EXPECT_NE(message.find("Permission denied"), std::string::npos) << message;
}

TEST(PathExists, TellsAbsentFromUnreadable) {
  const ScratchDirectory scratch;
  put(scratch / "file", "");
  fs::create_symlink("circle", scratch / "circle");
  EXPECT_TRUE(path_exists(scratch / "file"));
  EXPECT_FALSE(path_exists(scratch / "none"));
  EXPECT_FALSE(path_exists(scratch / "file/below"));
  EXPECT_NE(error_message([&] { path_exists(scratch / "circle"); }).find("symbolic links"),
            std::string::npos);
}

TEST(Temporaries, OfKilledWritersAreCleared) {
  const ScratchDirectory scratch;
  run_and_be_killed([&] {
    const TemporaryDirectory folder(scratch.path());
    put(folder.path() / "inside", "x");
    ::raise(SIGKILL);
  });
  run_and_be_killed([&] { new HeldTemporary(hold_temporary_file(scratch.path())); });
  EXPECT_EQ(entries(scratch.path()).size(), 2u);
  write_file_atomic(scratch / "out", "x");
  EXPECT_EQ(entries(scratch.path()), std::vector<std::string>{"out"});
}

TEST(Temporaries, OfLivingWritersAndOfOthersStay) {
  const ScratchDirectory scratch;
  put(scratch / ".tmp-of-another-program", "");
  const HeldTemporary file = hold_temporary_file(scratch.path());
  const TemporaryDirectory folder(scratch.path());
  write_file_atomic(scratch / "out", "x");
  check_writable(scratch / "out");
  EXPECT_TRUE(fs::exists(file.path));
  EXPECT_TRUE(fs::exists(folder.path()));
  EXPECT_TRUE(fs::exists(scratch / ".tmp-of-another-program"));
}

// Writers of one folder clear it all the time; none may lose what it is just writing.
TEST(Temporaries, ManyWritersOfOneFolder) {
  const ScratchDirectory scratch;
  std::vector<std::thread> writers;
  for (int w = 0; w < 8; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 100; ++i)
        write_file_atomic(scratch / std::to_string(w), std::string(1000, 'a' + w));
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(entries(scratch.path()).size(), 8u);
  for (int w = 0; w < 8; ++w)
    EXPECT_EQ(read_file(scratch / std::to_string(w), kAny), std::string(1000, 'a' + w));
}

TEST(PublishDirectory, TakesOverModesAndKeepsFiles) {
  const ScratchDirectory scratch;
  fs::create_directory(scratch / "to");
  put(scratch / "to/file", "old");
  ::chmod((scratch / "to/file").c_str(), 0600);
  ::chmod((scratch / "to").c_str(), 0700);
  const TemporaryDirectory stage(scratch.path());
  put(stage.path() / "file", "new");
  put(stage.path() / "other", "new");
  publish_directory(stage.path(), scratch / "to");
  EXPECT_EQ(read_file(scratch / "to/file", kAny), "new");
  EXPECT_EQ(mode_of(scratch / "to"), 0700u);
  EXPECT_EQ(mode_of(scratch / "to/file"), 0600u);

  put(scratch / "plain", "kept");
  const TemporaryDirectory second(scratch.path());
  EXPECT_NE(error_message([&] { publish_directory(second.path(), scratch / "plain"); }).find("not a folder"),
            std::string::npos);
  EXPECT_EQ(read_file(scratch / "plain", kAny), "kept");
}

TEST(CheckOutputDirectory, FollowsLinks) {
  const ScratchDirectory scratch;
  fs::create_directory(scratch / "real");
  fs::create_symlink("real", scratch / "link");
  fs::create_symlink("later", scratch / "dangling");
  EXPECT_EQ(check_output_directory(scratch / "link"), scratch / "real");
  EXPECT_EQ(check_output_directory(scratch / "real/"), scratch / "real");
  EXPECT_EQ(check_output_directory(scratch / "dangling"), scratch / "later");
  EXPECT_EQ(check_output_directory(scratch / "new/folder/"), scratch / "new/folder");
}

}  // namespace
}  // namespace quiver
