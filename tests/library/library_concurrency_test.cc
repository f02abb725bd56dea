// Many threads and processes at one library, writers that are killed, and file systems that refuse.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <random>
#include <thread>

#include "quiver/library.h"
#include "support/expert_fixture.h"
#include "support/test_support.h"

namespace fs = std::filesystem;

namespace quiver::test {
namespace {

// Runs `work` in a child process; its exit status, 99 for an exception.
pid_t fork_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  int status = 99;
  try {
    status = work();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "child: %s\n", e.what());
  }
  ::_exit(status);
}

int wait_for(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(LibraryConcurrency, ThreadsAndProcessesAddAtOnce) {
  const ScratchDirectory scratch;
  const std::string uri = (scratch / "library").string();
  std::vector<pid_t> children;
  for (int p = 0; p < 3; ++p) {
    children.push_back(fork_child([&] {
      ExpertLibrary library = ExpertLibrary::open_or_create(uri);  // they race to create it too
      for (int i = 0; i < 5; ++i) {
        library.add(make_expert("process_" + std::to_string(p) + "_" + std::to_string(i), p));
      }
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  ExpertLibrary library = ExpertLibrary::open(uri);
  std::vector<std::thread> threads;
  std::atomic<int> refused = 0;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&library, &refused, t] {
      for (int i = 0; i < 5; ++i) {
        library.add(make_expert("thread_" + std::to_string(t) + "_" + std::to_string(i), t));
        try {
          library.add(make_expert("shared_" + std::to_string(i), 1));
        } catch (const Error&) {
          ++refused;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(library.names().size(), 15u + 15u + 5u);
  EXPECT_EQ(refused, 10) << "exactly one of three wins each shared name";
  EXPECT_TRUE(library.verify().empty());
}

TEST(LibraryConcurrency, ReadersSeeOneVersionWhileItIsReplaced) {
  const ScratchDirectory scratch;
  const std::string uri = (scratch / "library").string();
  ExpertLibrary library = ExpertLibrary::create(uri);
  library.add(make_expert("a", 1, 2));
  const pid_t writer = fork_child([&] {
    ExpertLibrary own = ExpertLibrary::open(uri);
    // Rank and scale change together, so that a mixture of two versions would not load.
    for (int i = 0; i < 60; ++i) own.add(make_expert("a", i, 2 + i % 3), IfExists::kReplace);
    return 0;
  });
  int status = 0;
  int reads = 0;
  while (::waitpid(writer, &status, WNOHANG) == 0) {
    const Expert expert = library.load("a");
    EXPECT_EQ(expert.info.lora.rank, expert.modules.begin()->second.a.size(0));
    ++reads;
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_GT(reads, 5);
}

TEST(LibraryConcurrency, AKilledWriterLosesNothing) {
  const ScratchDirectory scratch;
  const std::string uri = (scratch / "library").string();
  ExpertLibrary library = ExpertLibrary::create(uri);
  std::mt19937 random(1);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  int committed = -1;  // the last number that a child reported
  int kills = 0;
  for (; kills < 40 && std::chrono::steady_clock::now() < deadline; ++kills) {
    int report[2];
    ASSERT_EQ(::pipe(report), 0);
    const int first = committed + 1;
    const pid_t child = fork_child([&] {
      ExpertLibrary own = ExpertLibrary::open(uri);
      for (int i = first;; ++i) {
        own.add(make_expert("replaced", i), IfExists::kReplace);
        own.add(make_expert("added_" + std::to_string(i), i), IfExists::kReplace);
        if (::write(report[1], &i, sizeof i) != sizeof i) return 1;
        const std::string earlier = std::to_string(i - 1);
        if (own.contains("added_" + earlier)) own.rename("added_" + earlier, "kept_" + earlier);
        const std::string oldest = "kept_" + std::to_string(i - 2);
        if (own.contains(oldest)) own.remove(oldest);
      }
    });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 250000));
    ::kill(child, SIGKILL);
    wait_for(child);
    ::close(report[1]);
    int number;
    while (::read(report[0], &number, sizeof number) == sizeof number) committed = number;
    ::close(report[0]);

    const auto findings = library.verify();
    for (const VerifyFinding& finding : findings) ADD_FAILURE() << finding.expert << ": " << finding.problem;
    if (committed < 0) continue;
    EXPECT_TRUE(library.contains("added_" + std::to_string(committed)));
    const std::string digest = expert_digest(library.load("replaced"));
    EXPECT_TRUE(digest == expert_digest(make_expert("", committed)) ||
                digest == expert_digest(make_expert("", committed + 1)));
  }
  EXPECT_GE(kills, 5);
  EXPECT_GT(committed, 0);
  library.add(make_expert("last"));
  EXPECT_TRUE(fs::is_empty(scratch / "library" / ".staging")) << "the next writer cleans up";
}

TEST(LibraryFaults, AFullDiskLeavesTheOldExpert) {
  const ScratchDirectory scratch;
  const std::string uri = (scratch / "library").string();
  ExpertLibrary library = ExpertLibrary::create(uri);
  library.add(make_expert("a"));
  Expert large = make_expert("a", 2);
  large.modules["wide"] = make_weights(2, 4000, 4000, 4, 1);  // 64 kB
  const pid_t child = fork_child([&] {
    // A write beyond the limit fails as one on a full disk does.
    std::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {16384, 16384};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    ExpertLibrary own = ExpertLibrary::open(uri);
    try {
      own.add(large, IfExists::kReplace);
      return 2;
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::kIo) return 3;
      if (std::string(e.what()).find("File too large") == std::string::npos) return 4;
    }
    return 0;
  });
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(expert_digest(library.load("a")), expert_digest(make_expert("a")));
  EXPECT_TRUE(library.verify().empty());
  library.add(large, IfExists::kReplace);
  EXPECT_EQ(expert_digest(library.load("a")), expert_digest(large));
}

TEST(LibraryFaults, ARenameThatFailsHasNotRenamed) {
  const ScratchDirectory scratch;
  const std::string uri = (scratch / "library").string();
  ExpertLibrary library = ExpertLibrary::create(uri);
  library.add(make_expert("a"));
  const pid_t child = fork_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit {
      100, 100  // less than expert.json
    };
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      ExpertLibrary::open(uri).rename("a", "b");
      return 1;
    } catch (const Error& e) {
      return e.kind() == ErrorKind::kIo ? 0 : 2;
    }
  });
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(library.names(), (std::vector<std::string>{"a"}));
  EXPECT_TRUE(library.verify().empty());
  library.rename("a", "b");
  EXPECT_EQ(library.names(), (std::vector<std::string>{"b"}));
  EXPECT_EQ(load_expert(scratch / "library/b").info.name, "b");
}

TEST(LibraryFaults, ALibraryThatCannotBeWrittenCanStillBeRead) {
  const ScratchDirectory scratch;
  const std::string uri = (scratch / "library").string();
  ExpertLibrary::create(uri).add(make_expert("a"));
  for (const fs::path& folder : {scratch / "library", scratch / "library" / ".staging"}) {
    fs::permissions(folder, fs::perms::owner_write, fs::perm_options::remove);
  }
  fs::permissions(scratch / "library" / ".lock", fs::perms::owner_write, fs::perm_options::remove);
  const pid_t child = fork_child([&] {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) return 1;  // root writes where it likes
    ExpertLibrary own = ExpertLibrary::open(uri);
    if (own.load("a").modules.size() != 4 || !own.verify().empty()) return 2;
    const std::vector<std::function<void()>> changes = {
        [&] { own.add(make_expert("b")); }, [&] { own.remove("a"); }, [&] { own.rename("a", "b"); },
        [&] { own.put_artefact("a", "arrow", {}); }};
    for (const auto& change : changes) {
      try {
        change();
        return 3;
      } catch (const Error& e) {
        if (e.kind() != ErrorKind::kIo || e.hint() != "check the permissions of the folder") return 4;
      }
    }
    return 0;
  });
  EXPECT_EQ(wait_for(child), 0);
  fs::permissions(scratch / "library", fs::perms::owner_write, fs::perm_options::add);
  fs::permissions(scratch / "library" / ".staging", fs::perms::owner_write, fs::perm_options::add);
  EXPECT_EQ(ExpertLibrary::open(uri).names(), (std::vector<std::string>{"a"}));
}

TEST(LibraryFaults, APlaceBelowAFileIsRefused) {
  const ScratchDirectory scratch;
  std::ofstream(scratch / "file") << "x";
  const std::string message =
      error_message([&] { ExpertLibrary::create((scratch / "file" / "library").string()); });
  EXPECT_NE(message.find("cannot create the folder '"), std::string::npos) << message;
  EXPECT_NE(message.find("Not a directory"), std::string::npos) << message;
}

TEST(LibraryScale, TenThousandNamesAreOneRead) {
  // In memory where there is such a place: making and removing as many folders takes a disk half a minute.
  const fs::path memory = "/dev/shm";
  const TemporaryDirectory scratch(fs::is_directory(memory) ? memory : fs::temp_directory_path());
  const fs::path root = scratch.path() / "library";
  const ExpertLibrary library = ExpertLibrary::create(root.string());
  for (int i = 0; i < 10000; ++i) fs::create_directory(root / ("expert_" + std::to_string(i)));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(library.names().size(), 10000u);
  // 20 ms alone; the limit leaves room for a busy machine.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(500));
}

}  // namespace
}  // namespace quiver::test
