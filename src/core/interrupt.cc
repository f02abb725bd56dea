#include "core/interrupt.h"

#include <csignal>
#include <cstdlib>

#include "quiver/error.h"

namespace quiver {
namespace {

// Signal handlers may touch nothing else than such a flag.
volatile std::sig_atomic_t interrupt_flag = 0;

void on_signal(int) {
  if (interrupt_flag) std::_Exit(130);
  interrupt_flag = 1;
}

}  // namespace

void install_interrupt_handler() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupt_requested() { return interrupt_flag != 0; }

void throw_if_interrupted(const char* what_is_kept) {
  if (interrupt_requested())
    throw Error(ErrorKind::kInterrupted, "interrupted; " + std::string(what_is_kept));
}

}  // namespace quiver
