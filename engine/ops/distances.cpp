// Squared distances and the RBF Gram matrix, as compositions: their derivatives of every order are
// those of products and sums.

#include "engine/ops/common.h"

namespace metatape {
namespace {

/// |x_i|^2 of each row: [...,N,D] -> [...,N,1].
Var squared_norms(Var x, Loc where) {
  return sum_product_to(x, x, x.shape().with_extent(-1, 1), where);
}

}  // namespace

Var squared_distances(Var x, Var y, Loc where) {
  if (x.rank() < 2 || y.rank() != x.rank() || x.extent(-1) != y.extent(-1))
    fail_at(where, ErrorKind::shape, "squared_distances",
            "x {} and y {}: expected [...,N,D] and [...,M,D]", x.shape().str(), y.shape().str());
  // Distances do not change with the origin, so neither do derivatives: the mean is a constant.
  const int rows[] = {-2};
  const Var origin = stop_gradient(mean_axes(y, rows, where), where);
  const bool same = x.id == y.id;
  const Var from = sub(x, origin, where), to = same ? from : sub(y, origin, where);
  const Var products = matmul(from, to, {.transpose_b = true}, where);

  // Of one value with itself the norms are the diagonal of the products: then d[i,i] is exactly 0.
  const Shape column = products.shape().with_extent(-1, 1);
  const Var from_norms = same ? reshape(diagonal(products, where), column.extents(), where)
                              : squared_norms(from, where);
  const Var to_norms = same ? from_norms : squared_norms(to, where);
  const Var sums = add(from_norms, transpose(to_norms, where), where);
  const Var distances = sub(sums, affine(products, 2, 0, where), where);
  // Rounding below 0 is cut off in the value alone: a derivative must not miss the pair.
  const Var excess = stop_gradient(relu(affine(distances, -1, 0, where), 0, where), where);
  return add(distances, excess, where);
}

Var rbf_gram(Var x, Var y, Var gamma, Loc where) {
  const Var scaled = mul(squared_distances(x, y, where), gamma, where);
  return exp(affine(scaled, -1, 0, where), where);
}

Var rbf_gram(Var x, Var y, double gamma, Loc where) {
  return exp(affine(squared_distances(x, y, where), -gamma, 0, where), where);
}

}  // namespace metatape
