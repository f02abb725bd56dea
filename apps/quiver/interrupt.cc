#include "interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

#include "quiver/error.h"

namespace quiver::program {
namespace {

// Signal handlers may touch nothing else than such flags.
volatile std::sig_atomic_t interrupt_flag = 0;
volatile std::sig_atomic_t asked_by_hand = 0;
std::atomic<bool> reload_flag{false};  // lock-free, which a handler needs
static_assert(std::atomic<bool>::is_always_lock_free);
std::atomic<bool> reader_gone{false};

// A closing terminal may send SIGHUP more than once, and its session's end SIGTERM beside it: neither is the
// impatience that a second Ctrl-C shows.
void on_signal(int signal) {
  if (signal != SIGHUP) {
    if (asked_by_hand) std::_Exit(130);
    asked_by_hand = 1;
  }
  interrupt_flag = 1;
}

void keep_standard_numbers() {
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(standard, F_GETFD) >= 0) continue;
    // The lowest free number is this one.
    static_cast<void>(::open("/dev/null", standard == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  }
}

}  // namespace

void install_interrupt_handler() {
  keep_standard_numbers();
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  if (std::signal(SIGHUP, on_signal) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
}

void reload_on_hangup() {
  std::signal(SIGHUP, [](int) { reload_flag = true; });
}

bool take_reload_request() { return reload_flag.exchange(false); }

bool interrupt_requested() { return interrupt_flag != 0; }

bool log_reader_gone() { return reader_gone; }

void set_log_reader_gone() { reader_gone = true; }

void InterruptStop::pass_on() {
  if (interrupt_requested() || (reader_ == LogReader::kNeeded && log_reader_gone())) source_.request_stop();
}

void throw_if_interrupted(const char* what_is_kept) {
  if (interrupt_requested())
    throw Error(ErrorKind::kInterrupted, "interrupted; " + std::string(what_is_kept));
}

}  // namespace quiver::program
