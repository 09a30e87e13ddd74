#pragma once

#include "engine/model.h"

namespace metatape {

struct MlpOptions {
  std::int64_t inputs = 1, outputs = 1;
  std::vector<std::int64_t> hidden = {40, 40};
  /// Standard deviation of the weights, cut off at two deviations; 0: Glorot & Bengio 2010, eq. 16.
  double weight_deviation = 0;
  std::int64_t context = 0;  ///< context parameters, which every example has as further inputs
};

/// Fully connected layers with ReLU between them: the sinusoid network of Finn et al. 2017,
/// arXiv:1703.03400, sec. 5.1. x [N, inputs] -> [N, outputs]. The last layer is the head.
/// Parameters: layer<i>.weight, layer<i>.bias (i = 1, ...), head.weight, head.bias; with context,
/// as in Zintgraf et al. 2019, arXiv:1810.03642, sec. 3.1, also context [context].
Model make_mlp(const MlpOptions&);

}  // namespace metatape
