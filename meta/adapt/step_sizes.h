#pragma once

#include <span>

#include "engine/params.h"

namespace metatape {

/// What the step sizes of the inner loop are.
enum class Rates {
  fixed,          ///< one number
  per_element,    ///< learned, one for each element: Meta-SGD, Li et al. 2017, arXiv:1707.09835
  per_layer_step  ///< learned, one for each array and step: LSLR of MAML++, arXiv:1810.09502
};

/// The step sizes as meta-parameters `inner_rate.<name>`. All start at `lr` and may take any sign.
struct StepSizes {
  Rates rates = Rates::fixed;
  double lr = 0.4;
  std::int64_t steps = 1;  ///< of training; steps beyond them in evaluation use the last one's rate

  /// per_element: the shape of the parameter; per_layer_step: [steps]; fixed: none.
  std::vector<Parameter> parameters(std::span<const Parameter> adapted) const;
  /// rate * direction for the parameter of that name in step k, counted from 0.
  Var scale(const ParamSet& theta, const std::string& name, std::int64_t k, Var direction) const;
};

}  // namespace metatape
