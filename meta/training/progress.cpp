#include "meta/training/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "engine/console.h"

namespace metatape {
namespace {

constexpr double kTerminalSeconds = 0.2, kPlainSeconds = 10;

}  // namespace

std::string clock_text(double seconds) {
  const std::int64_t s = std::llround(seconds);
  return s < 3600 ? fmt::format("{:02}:{:02}", s / 60, s % 60)
                  : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

Progress::Progress(std::int64_t done, std::int64_t total, bool quiet)
    : start_(done),
      total_(total),
      quiet_(quiet),
      terminal_(isatty(STDERR_FILENO) != 0),
      began_(Clock::now()),
      last_(began_) {}

Progress::~Progress() { finish(); }

std::string Progress::line(std::int64_t done, const std::string& text) const {
  const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  const double rate = double(done - start_) / std::max(seconds, 1e-9);
  const double percent = total_ ? 100.0 * double(done) / double(total_) : 100.0;
  const std::string left = rate > 0 ? clock_text(double(total_ - done) / rate) : "?";
  return fmt::format("{}/{}  {:.0f} %  {:.1f} it/s  ETA {}  {}", done, total_, percent, rate, left,
                     text);
}

void Progress::update(std::int64_t done, const std::string& text) {
  if (quiet_) return;
  const auto now = Clock::now();
  const double since = std::chrono::duration<double>(now - last_).count();
  if (done < total_ && since < (terminal_ ? kTerminalSeconds : kPlainSeconds)) return;
  last_ = now;
  if (terminal_) {
    tell("\r\x1b[K" + line(done, text));
    shown_ = true;
  } else {
    tell(line(done, text) + "\n");
  }
}

void Progress::note(const std::string& text) {
  if (quiet_) return;
  if (terminal_ && shown_) tell("\r\x1b[K");
  tell(text + "\n");
}

void Progress::finish() {
  if (terminal_ && shown_) tell("\n");
  shown_ = false;
}

}  // namespace metatape
