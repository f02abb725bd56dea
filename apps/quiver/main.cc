#include <malloc.h>

#include <csignal>

#include "interrupt.h"
#include "program.h"

namespace {

// Freed tensors stay with the process: giving pages back and faulting them in again costs a tenth of a
// training step.
void keep_freed_memory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  quiver::program::install_interrupt_handler();
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the shell's limit is an error like a full disk
  return quiver::program::run_program(argc, argv);
}
