#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/model.h"
#include "engine/target.h"
#include "engine/tensor.h"
#include "meta/data/episode_source.h"
#include "meta/settings/config.h"
#include "meta/training/ranks.h"

namespace metatape {

/// Mean and half-width of the 95 % interval over tasks: 1.96 s / sqrt(n), s with n - 1.
struct Interval {
  double mean = 0, ci95 = 0;
};
Interval interval95(const std::vector<double>& values);

/// What adaptation to new tasks reached.
struct Evaluation {
  TaskKind kind = TaskKind::classification;
  std::int64_t tasks = 0;
  Interval loss, score;                             ///< after all steps; score as a fraction
  std::vector<double> loss_by_step, score_by_step;  ///< after 0, 1, .. all steps
  std::string episodes_hash;                        ///< same hash, same tasks
};

/// Evaluates tasks 0 .. tasks-1 of the source, as many at a time as a training program of one rank
/// takes; several ranks take turns, and all have the result, whose bits do not depend on their
/// number. Errors: memory; numerical, if the loss of a task is not finite.
Evaluation evaluate(const Config&, const Model&, const EpisodeSource&, StateStore&,
                    std::int64_t tasks, const Target&, const Ranks& = {});

/// Accuracies in percent for classification, errors for regression, with the protocol.
nlohmann::json to_json(const Evaluation&, const Config&, const std::string& split);

}  // namespace metatape
