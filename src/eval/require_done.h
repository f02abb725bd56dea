#pragma once

#include <optional>
#include <string>

#include "quiver/error.h"

namespace quiver {

// The same error with the place in the data before its message.
inline Error error_of(const Error& error, const std::string& place) {
  return {error.kind(), place + ": " + error.what(), error.hint()};
}

// Throws the error that a request of an evaluation ended with, if any: a mean without it would be of
// something else.
inline void require_done(const std::optional<Error>& error, const std::string& place) {
  if (error) throw error_of(*error, place);
}

}  // namespace quiver
