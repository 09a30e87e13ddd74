#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace metatape {

/// Where a run stands, for people: on a terminal one line that is rewritten, elsewhere a plain line
/// every ten seconds. Writes to standard error.
class Progress {
 public:
  /// `done` of `total` iterations lie behind already (a resumed run). `quiet`: nothing is shown.
  Progress(std::int64_t done, std::int64_t total, bool quiet = false);
  ~Progress();

  /// `text`: what the iteration reached, for example "loss 0.412  accuracy 86.1 %".
  void update(std::int64_t done, const std::string& text);
  /// A line of its own, above the bar.
  void note(const std::string& line);
  /// Ends the bar's line.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  std::string line(std::int64_t done, const std::string& text) const;

  std::int64_t start_, total_;
  bool quiet_, terminal_, shown_ = false;
  Clock::time_point began_, last_;
};

/// 75 s -> "01:15", 4000 s -> "1:06:40".
std::string clock_text(double seconds);

}  // namespace metatape
