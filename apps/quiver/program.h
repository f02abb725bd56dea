#pragma once

namespace quiver::program {

// Reads the command line, runs its command and says on stderr what went wrong. Returns the exit status.
int run_program(int argc, char** argv);

}  // namespace quiver::program
