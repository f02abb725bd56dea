#pragma once

#include <stop_token>

namespace quiver::program {

// Prepares a program for being stopped: SIGINT, SIGTERM and SIGHUP (a closed terminal; not under nohup) only
// set a flag, a second SIGINT or SIGTERM ends the process at once. Writing to a pipe that nobody reads
// becomes an error instead of a signal. Standard files that the caller closed are opened so that no other
// file gets their numbers; writing to them stays an error.
void install_interrupt_handler();

// True once the user asked to stop. Long loops look at it between units of work. Thread-safe.
bool interrupt_requested();

// From now on SIGHUP asks to read again what was read at the start, and not to stop.
void reload_on_hangup();
// Whether SIGHUP came since the last call. Thread-safe.
bool take_reload_request();

// True once nobody reads what goes to stderr (`2>&1 | head -1`). Who can stop and go on later does; who
// cannot finishes, so that no result is lost. Thread-safe.
bool log_reader_gone();
void set_log_reader_gone();

// Stops what the library does, as far as it asks a token. A signal handler may not do that itself: pass_on()
// is called between units of work.
class InterruptStop {
 public:
  // Also stops when nobody reads the log: for work that can go on later.
  enum class LogReader { kIgnored, kNeeded };
  explicit InterruptStop(LogReader reader) : reader_(reader) { pass_on(); }

  std::stop_token token() const { return source_.get_token(); }
  void pass_on();  // thread-safe

 private:
  const LogReader reader_;
  std::stop_source source_;
};

// Throws Error(kInterrupted) saying what was kept, when the user asked to stop.
void throw_if_interrupted(const char* what_is_kept);

}  // namespace quiver::program
