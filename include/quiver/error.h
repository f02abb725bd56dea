#pragma once

#include <stdexcept>
#include <string>

namespace quiver {

// What went wrong, for callers that react differently to different failures.
enum class ErrorKind {
  kInvalidArgument,  // a value given by the caller or a config file
  kNotFound,         // a file, expert, task or artefact that does not exist
  kAlreadyExists,    // something that would have been overwritten
  kCorruptFile,      // a file whose content contradicts its format
  kUnsupported,      // a valid input that this version cannot handle
  kIo,               // the operating system refused: disk full, no permission, ...
  kStale,            // an artefact made from other weights or settings than those present
  kNotFinite,        // a computed number, a logit or a loss, is NaN or infinite
  kInterrupted,      // the user asked to stop; work so far is kept
  kBusy,             // a queue is full; later there is room
  kUnavailable,      // a service that does not take work any more
};

// The exception for bad input and a bad environment. `what()` is one line that names the offending value;
// `hint()` says what to do about it and may be empty. Bugs of Quiver itself are never reported with it.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message, std::string hint = {})
      : std::runtime_error(message), kind_(kind), hint_(std::move(hint)) {}

  ErrorKind kind() const { return kind_; }
  const std::string& hint() const { return hint_; }

 private:
  ErrorKind kind_;
  std::string hint_;
};

}  // namespace quiver
