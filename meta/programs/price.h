#pragma once

#include "meta/programs/training_programs.h"

namespace metatape {

/// What a meta-step costs by its plan, on each rank.
struct Price {
  double flops = 0;
  double bytes = 0;         ///< read and written
  double instructions = 0;  ///< that run
  Device device = Device::cpu;

  /// All of it as bytes read and written, to compare programs by.
  double in_bytes() const;
};

/// At the end of training.
Price price_of(const TrainingPrograms&);

}  // namespace metatape
