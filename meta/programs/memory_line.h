#pragma once

#include "meta/programs/memory.h"

namespace metatape {

/// What a program needs by the number of tasks that run at once, guessed from the plans made so
/// far: a straight line, since each task has values of the same sizes.
class MemoryLine {
 public:
  /// The first program is joined with what it would need without tasks, every later one with that
  /// before it.
  void add(std::int64_t tasks, const MemoryNeed& need) {
    const Point fixed{0, double(need.resident_bytes + need.update_bytes)};
    before_ = known_ ? last_ : fixed;
    last_ = {double(tasks), double(need.total_bytes())};
    known_ = true;
  }

  bool known() const { return known_; }

  double bytes(std::int64_t tasks) const {
    const double slope = (last_.bytes - before_.bytes) / (last_.tasks - before_.tasks);
    return last_.bytes + slope * (double(tasks) - last_.tasks);
  }

 private:
  struct Point {
    double tasks = 0, bytes = 0;
  };
  Point before_, last_;
  bool known_ = false;
};

}  // namespace metatape
