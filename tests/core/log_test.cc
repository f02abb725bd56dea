#include "core/log.h"

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/test_support.h"

namespace quiver {
namespace {

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { set_log_sink({}); }
};

TEST_F(LogTest, ASinkTakesEveryMessageAndStderrNone) {
  std::vector<LogMessage> taken;
  testing::internal::CaptureStderr();
  set_log_sink([&](const LogMessage& message) { taken.push_back(message); });
  log_info("one");
  log_warning("two");
  log({LogLevel::kError, "three", {{"status", 500.0}, {"client", "::1"}}});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ASSERT_EQ(taken.size(), 3u);
  EXPECT_EQ(taken[0].level, LogLevel::kInfo);
  EXPECT_EQ(taken[1].level, LogLevel::kWarning);
  EXPECT_EQ(taken[1].text, "two");
  EXPECT_EQ(taken[2].fields, (std::vector<LogField>{{"status", 500.0}, {"client", "::1"}}));
}

TEST_F(LogTest, WithoutASinkLinesGoToStderr) {
  set_log_sink([](const LogMessage&) { FAIL(); });
  set_log_sink({});
  testing::internal::CaptureStderr();
  log_info("one");
  log_warning("two\nlines");
  log({LogLevel::kError, "three", {{"ms", 2.5}, {"name", "a\tb"}}});
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "quiver: one\nquiver: warning: two\\nlines\nquiver: error: three ms=2.5 name=a\\tb\n");
}

TEST_F(LogTest, WhatASinkThrowsIsDropped) {
  set_log_sink([](const LogMessage&) { throw std::runtime_error("a sink"); });
  EXPECT_NO_THROW(log_warning("two"));
}

TEST_F(LogTest, OneCallAtATimeAndNoneOfASinkThatWasReplaced) {
  std::atomic<int> inside = 0, together = 0, count = 0;
  std::atomic<bool> is_over = false;
  set_log_sink([&](const LogMessage&) {
    EXPECT_FALSE(is_over);
    if (++inside > 1) ++together;
    ++count;
    std::this_thread::yield();
    --inside;
  });
  std::atomic<bool> ends = false;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (!ends) log_info("a message");
    });
  }
  while (count < 200) std::this_thread::yield();
  set_log_sink([](const LogMessage&) {});
  is_over = true;
  const int before = count;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ends = true;
  threads.clear();
  EXPECT_EQ(count, before);
  EXPECT_EQ(together, 0);
}

}  // namespace
}  // namespace quiver
