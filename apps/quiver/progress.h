#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace quiver::program {

// Whether progress is drawn, set once by a program. kAuto: a bar on a terminal, one line every 10 s
// otherwise.
enum class ProgressMode { kAuto, kLines, kOff };
void set_progress_mode(ProgressMode mode);

// Progress of one loop on stderr: done, rate and time left. Cheap to update at any rate. Not thread-safe.
class Progress {
 public:
  // `unit` names what is counted ("steps", "examples"); `total` 0 means unknown.
  Progress(std::string title, std::int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `note` is shown at the end of the line, e.g. "loss 1.234".
  void advance(std::int64_t count, const std::string& note = {});

 private:
  void draw(bool final_line);

  std::string title_;
  std::int64_t total_;
  std::string unit_;
  std::string note_;
  std::int64_t done_ = 0;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_draw_;
};

}  // namespace quiver::program
