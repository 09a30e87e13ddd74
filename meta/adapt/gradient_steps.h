#pragma once

#include "meta/adapt/step_sizes.h"
#include "meta/method/method.h"

namespace metatape {

/// Which parameters the inner loop changes.
enum class Adapted { all, head, body, context };

enum class InnerOptimizer { sgd, adam };

struct GradientStepOptions {
  Adapted adapted = Adapted::all;
  bool exact = true;  ///< false: the inner gradients are constants
  double lr = 0.4;
  bool recompute = false;
  bool cut = false;  ///< for make_stepwise(): see CutStep
  Rates rates = Rates::fixed;
  std::int64_t trained_steps = 1;  ///< for which rates and norms of each step are learned
  bool per_step_norm = false;      ///< scale and shift of batch norm for each step
  InnerOptimizer optimizer = InnerOptimizer::sgd;
  std::int64_t ways = 1, batch = 0;  ///< classes, and examples of each in a step; 0: all
};

/// phi_0 = theta, phi_{k+1} = phi_k - lr grad L_support(phi_k) over the adapted parameters; the
/// other ones stay. MAML: all, exact; Finn et al. 2017, arXiv:1703.03400, eq. 1. FOMAML: all, not
/// exact (sec. 5.2 there). ANIL: head; Raghu et al. 2020, arXiv:1909.09157. BOIL: body; Oh et al.
/// 2021, arXiv:2008.08882. CAVIA: context; Zintgraf et al. 2019, arXiv:1810.03642, eq. 3.
/// MAML++: learned rates and norms; Antoniou et al. 2019, arXiv:1810.09502, sec. 4.
/// Reptile: adam and batch; Nichol et al. 2018, arXiv:1803.02999, appendix A.
/// Predictions after k steps use the norms of step k - 1, as the code of MAML++ does.
std::shared_ptr<const Adaptation> make_gradient_steps(const GradientStepOptions&);

}  // namespace metatape
