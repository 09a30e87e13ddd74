#pragma once

#include "engine/params.h"

namespace metatape {

/// Adam without momentum, as Reptile's inner loop: v <- b2 v + (1-b2) g^2 and the direction
/// g / (sqrt(v / (1-b2^t)) + epsilon), b2 = 0.999, epsilon = 1e-8. Kingma & Ba 2015,
/// arXiv:1412.6980, with beta1 = 0; Nichol et al. 2018, arXiv:1803.02999, appendix A.
/// v starts at zero in each task: a reading, as their code carries it from task to task.
/// Not differentiable where an element of g is zero.
class InnerAdam {
 public:
  ParamSet direction(const ParamSet& gradient);

 private:
  std::vector<Var> second_moments_;
  int steps_ = 0;
};

}  // namespace metatape
