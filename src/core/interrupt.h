#pragma once

namespace quiver {

// Installs a SIGINT and SIGTERM handler that only sets a flag; a second signal ends the process at once.
void install_interrupt_handler();

// True once the user asked to stop. Long loops look at it between units of work. Thread-safe.
bool interrupt_requested();

// Throws Error(kInterrupted) saying what was kept, when the user asked to stop.
void throw_if_interrupted(const char* what_is_kept);

}  // namespace quiver
