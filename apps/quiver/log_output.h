#pragma once

namespace quiver::program {

enum class LogFormat { kText, kJson };
// Which messages, the library's and the program's own, are shown.
enum class LogDetail { kAll, kNoInfo };

// From now on messages are written to stderr like this: as lines of text, or as JSON objects with `level`,
// `message` and the message's fields. A progress bar on the terminal is cleared first. A reader that is gone
// is told to log_reader_gone().
void write_log_to_stderr(LogFormat format, LogDetail detail);

}  // namespace quiver::program
