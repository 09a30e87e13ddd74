#pragma once

#include "meta/method.h"

namespace metatape {

/// Which parameters the inner loop changes.
enum class Adapted { all, head, body, context };

struct GradientStepOptions {
  Adapted adapted = Adapted::all;
  bool exact = true;  ///< false: the inner gradients are constants
  double lr = 0.4;
  bool recompute = false;
};

/// phi_0 = theta, phi_{k+1} = phi_k - lr grad L_support(phi_k) over the adapted parameters; the
/// other ones stay. MAML: all, exact; Finn et al. 2017, arXiv:1703.03400, eq. 1. FOMAML: all, not
/// exact (sec. 5.2 there). ANIL: head; Raghu et al. 2020, arXiv:1909.09157. BOIL: body; Oh et al.
/// 2021, arXiv:2008.08882. CAVIA: context; Zintgraf et al. 2019, arXiv:1810.03642, eq. 3.
std::shared_ptr<const Adaptation> make_gradient_steps(const GradientStepOptions&);

}  // namespace metatape
