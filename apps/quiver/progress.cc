#include "progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/log.h"

namespace quiver::program {
namespace {

ProgressMode& mode_storage() {
  static ProgressMode mode = ProgressMode::kAuto;
  return mode;
}

std::string duration_text(double seconds) {
  char text[32];
  const int whole = static_cast<int>(seconds + 0.5);
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%d:%02d", whole / 60, whole % 60);
  }
  return text;
}

bool use_bar() { return mode_storage() == ProgressMode::kAuto && isatty(STDERR_FILENO); }

}  // namespace

void set_progress_mode(ProgressMode mode) { mode_storage() = mode; }

Progress::Progress(std::string title, std::int64_t total, std::string unit)
    : title_(std::move(title)),
      total_(total),
      unit_(std::move(unit)),
      start_(std::chrono::steady_clock::now()),
      last_draw_(start_) {}

Progress::~Progress() { draw(true); }

void Progress::advance(std::int64_t count, const std::string& note) {
  done_ += count;
  if (!note.empty()) note_ = note;
  const auto interval = use_bar() ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000);
  const auto now = std::chrono::steady_clock::now();
  if (now - last_draw_ < interval) return;
  last_draw_ = now;
  draw(false);
}

void Progress::draw(bool final_line) {
  if (mode_storage() == ProgressMode::kOff) return;
  const double seconds =
      std::max(1e-9, std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
  const double rate = static_cast<double>(done_) / seconds;
  char rate_text[48];
  std::snprintf(rate_text, sizeof rate_text, rate < 10 ? "%.2f %s/s" : "%.0f %s/s", rate, unit_.c_str());
  std::string line = title_ + " " + std::to_string(done_);
  if (total_ > 0) line.append("/").append(std::to_string(total_));
  line += std::string(" ") + rate_text + ", " + duration_text(seconds);
  if (!final_line && total_ > done_ && rate > 0) {
    line += ", " + duration_text(static_cast<double>(total_ - done_) / rate) + " left";
  }
  if (!note_.empty()) line += ", " + note_;
  if (!use_bar()) {
    log_info(line);
    return;
  }
  constexpr int kWidth = 24;
  const int filled =
      total_ > 0 ? static_cast<int>(kWidth * std::min<std::int64_t>(done_, total_) / total_) : 0;
  std::string bar = "[";
  bar.append(static_cast<std::size_t>(filled), '#').append(static_cast<std::size_t>(kWidth - filled), '.');
  bar += "] ";
  std::fprintf(stderr, "\r\033[K%s%s%s", bar.c_str(), line.c_str(), final_line ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace quiver::program
