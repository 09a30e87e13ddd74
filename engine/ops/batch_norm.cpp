// Batch normalisation as a composition, so that its derivatives of every order are those of sums
// and products. The centred values are kept once and every statistic is one pass over them.

#include <numeric>
#include <vector>

#include "engine/ops/common.h"

namespace metatape {

Var batch_norm(Var x, Var gamma, Var beta, double epsilon, Loc where) {
  if (x.rank() < 2 || gamma.rank() != 1 || beta.rank() != 1 || x.extent(-1) != gamma.extent(-1) ||
      gamma.extent(-1) != beta.extent(-1))
    fail_at(where, ErrorKind::shape, "batch_norm",
            "x {}, gamma {}, beta {}: expected [...,C], [C], [C]", x.shape().str(),
            gamma.shape().str(), beta.shape().str());
  std::vector<int> batch_axes(std::size_t(x.rank() - 1));
  std::iota(batch_axes.begin(), batch_axes.end(), 0);
  const double count = double(x.shape().elements_per_task()) / double(x.extent(-1));

  const Var mean = mean_axes(x, batch_axes, where);
  const Var centred = sub(x, mean, where);
  const Var variance =
      affine(sum_product_to(centred, centred, mean.shape(), where), 1 / count, 0, where);
  const Var deviation_inverse = rsqrt(affine(variance, 1, epsilon, where), where);
  return add(mul(centred, mul(deviation_inverse, gamma, where), where), beta, where);
}

}  // namespace metatape
