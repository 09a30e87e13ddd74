#pragma once

#include <optional>

#include "engine/tensor.h"
#include "meta/programs/programs.h"

namespace metatape {

/// Phase and amplitude consistency of the training inner loop of each task, T x []; absent if the
/// method takes no inner steps. `theta` of the tasks is per task.
struct TaskConsistency {
  Var phase, amplitude;
};
std::optional<TaskConsistency> task_consistency(const Method&, const TaskBatch&);

/// How straight and how even the inner loop's way is, means over tasks: LIL (ICLR 2023 submission,
/// openreview 5ZarS9RX5I-), eq. 3 and 4; meta/regularize/trajectory.h has the formulas.
struct Consistency {
  double phase = 1, amplitude = 1;
};

/// The program that measures it: the inner loop and one more support gradient, nothing of the outer
/// loop. Fed by the host. Absent as above.
std::optional<RecordedProgram> record_consistency(const Config&, const Model&, const EpisodeLayout&,
                                                  const Target&);

/// On the tasks of `iteration`, with the parameters in the store.
Consistency measure_consistency(const RecordedProgram&, const EpisodeSource&, StateStore&,
                                std::int64_t iteration, std::int64_t tasks);

}  // namespace metatape
