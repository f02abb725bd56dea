#pragma once

#include "quiver/error.h"

namespace quiver {

// Runs `parse` on values that came from a file: where one has the wrong type, it is the file that is broken,
// not an argument of the caller.
template <typename Parse>
auto blame_file(Parse&& parse) {
  try {
    return parse();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kInvalidArgument) throw;
    throw Error(ErrorKind::kCorruptFile, e.what(), e.hint());
  }
}

}  // namespace quiver
