#pragma once

// Optimisers as instructions: each records how parameters and its own state change, on the tape, so
// that a training step is one program and checkpoints hold everything it needs.

#include <memory>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/params.h"

namespace metatape {

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Records one step and returns the updates of parameters, moments and counters. `parameters` are
  /// states. The step size is the state `optimizer/lr`, so a schedule can change it between runs.
  virtual std::vector<Update> step(const ParamSet& parameters, const ParamSet& gradient) const = 0;
};

struct SgdOptions {
  double momentum = 0;
};
/// v <- momentum v + g;  theta <- theta - lr v.   Sutskever et al. 2013, eq. 1-2, with the step
/// size outside the velocity (the PyTorch convention).
std::unique_ptr<Optimizer> make_sgd(const SgdOptions& = {});

struct NormalizedSgdOptions {
  double momentum = 0;  ///< in [0, 1)
  double epsilon = 1e-8;
};
/// m <- momentum m + (1 - momentum) g;  theta <- theta - lr m / (|m| + epsilon), |m| the Euclidean
/// norm over all parameters: each step has length lr. Cutkosky & Mehta 2020, arXiv:2002.03305,
/// algorithm 1; the outer rule (SNGDM) of Chayti & Jaggi 2024, arXiv:2409.03682.
std::unique_ptr<Optimizer> make_normalized_sgd(const NormalizedSgdOptions& = {});

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};
/// m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;
/// theta <- theta - lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + epsilon).
/// Kingma & Ba 2015, arXiv:1412.6980, algorithm 1.
std::unique_ptr<Optimizer> make_adam(const AdamOptions& = {});

/// Name of the state that holds the step size.
inline constexpr const char* kLearningRateState = "optimizer/lr";

}  // namespace metatape
