#include "storage/write_lock.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>
#include <vector>

#include "support/test_support.h"

namespace quiver::test {
namespace {

TEST(WriteLock, OneThreadAtATime) {
  const ScratchDirectory scratch;
  int inside = 0;  // no atomic: the lock is what protects it
  int total = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const WriteLock lock(scratch.path());
        EXPECT_EQ(++inside, 1);
        ++total;
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(total, 200);
}

TEST(WriteLock, AKilledProcessGivesItBack) {
  const ScratchDirectory scratch;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const WriteLock lock(scratch.path());
    if (::write(ready[1], "x", 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const WriteLock lock(scratch.path());  // would wait for ever
}

TEST(WriteLock, AFolderThatCannotBeWrittenIsNamed) {
  const ScratchDirectory scratch;
  std::ofstream(scratch / "file") << "x";
  const std::string message = error_message([&] { WriteLock lock(scratch / "file"); });
  EXPECT_NE(message.find("cannot write to '"), std::string::npos) << message;
  EXPECT_NE(message.find("Not a directory"), std::string::npos) << message;
}

}  // namespace
}  // namespace quiver::test
