#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "engine/tensor.h"
#include "meta/programs/training_programs.h"
#include "meta/training/ranks.h"
#include "meta/training/run_folder.h"
#include "meta/training/workload.h"

namespace metatape {

struct TrainOptions {
  Target target = {};
  bool resume = false;
  const std::atomic<bool>* stop = nullptr;  ///< set by a signal, on any rank: save and return
  Ranks ranks = {};                         ///< as many as the target has
};

struct TrainResult {
  std::int64_t iterations = 0;  ///< reached, counted from the start of the run
  double seconds = 0;           ///< of this call
  double loss = 0, score = 0;   ///< mean over the last window of log_every iterations
  bool stopped = false;         ///< by `stop`, before the last iteration
  std::filesystem::path checkpoint;
  std::string state_hash;
};

/// The meta-batch loop over the programs. `initial` holds the parameters; a resumed run
/// replaces it by its latest checkpoint and continues bit for bit. Errors: numerical, if a loss is
/// not finite: names the first instruction that was not, and leaves a checkpoint of the state
/// before it; memory; io. What all ranks find out together is a SharedError.
TrainResult train(const Workload&, const TrainingPrograms&, StateStore initial, RunFolder&,
                  const TrainOptions&);

}  // namespace metatape
