// Squared distances between rows, and the RBF Gram matrix.

#include "kernels/distances/distances.h"

#include "engine/ops/common.h"

namespace metatape {
namespace {

ValueType infer_distances(const InferCall& c) {
  const DType dtype = require_same_float(c);
  const Shape &x = c.in[0].shape, &y = c.in[1].shape;
  if (x.rank() < 2 || y.rank() != x.rank() ||
      x.with_extent(-2, y[-2]).with_tasks(1) != y.with_tasks(1))
    fail_shape(c, "x {} and y {}: expected [...,N,D] and [...,M,D] with equal leading axes",
               x.str(), y.str());
  return {x.with_extent(-1, y[-2]).with_tasks(common_tasks(c)), dtype};
}

constexpr auto distances_call = [](const auto& c) {
  const Shape &x = c.in_types[0].shape, &y = c.in_types[1].shape;
  std::int64_t matrices = 1;
  for (int axis = 0; axis < x.rank() - 2; ++axis) matrices *= x[axis];
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::squared_distances<T>({.tasks = c.out_type.shape.tasks(),
                                   .matrices = matrices,
                                   .n = x[-2],
                                   .m = y[-2],
                                   .d = x[-1],
                                   .x_task_stride = task_stride(x),
                                   .y_task_stride = task_stride(y),
                                   .x = input<T>(c, 0),
                                   .y = input<T>(c, 1),
                                   .distances = output<T>(c)},
                                  c.context);
  });
};

double distances_flops(const PlanCall& c) {
  return 3.0 * double(c.out.shape.elements()) * double(c.in[0].shape[-1]);
}

/// sum_j weights[i,j] 2 (x_i - y_j) of each row i.
Var weighted_differences(Var weights, Var x, Var y, Loc where) {
  const int last[] = {-1};
  const Var totals = sum_axes(weights, last, where);
  const Var differences = sub(mul(totals, x, where), matmul(weights, y, {}, where), where);
  return affine(differences, 2, 0, where);
}

// The rows are counted from the mean of y, so that a large common offset does not cancel in the
// difference of the two products. The result does not depend on the origin, which is a constant.
Cotangents distances_vjp(const Pullback& p) {
  const int rows[] = {-2};
  const Var origin = stop_gradient(mean_axes(p.in[1], rows, p.where), p.where);
  const Var x = sub(p.in[0], origin, p.where), y = sub(p.in[1], origin, p.where);
  const Var transposed = transpose(p.ct, p.where);
  if (p.in[0].id == p.in[1].id)  // both rules at once: one product instead of two
    return {weighted_differences(add(p.ct, transposed, p.where), x, x, p.where), Var{}};
  Cotangents back(2);
  if (p.needed[0]) back[0] = sum_like(weighted_differences(p.ct, x, y, p.where), p.in[0], p.where);
  if (p.needed[1])
    back[1] = sum_like(weighted_differences(transposed, y, x, p.where), p.in[1], p.where);
  return back;
}

}  // namespace

const OpDef squared_distances_def{.infer = infer_distances,
                                  .vjp = distances_vjp,
                                  .kernel = bind_kernel(distances_call),
                                  .flops = distances_flops,
                                  .broadcasts = Broadcasts::tasks};

Var squared_distances(Var x, Var y, Loc where) {
  return x.tape->push(OpId::squared_distances, {x, y}, Attr(), where);
}

Var rbf_gram(Var x, Var y, Var gamma, Loc where) {
  const Var scaled = mul(squared_distances(x, y, where), gamma, where);
  return exp(affine(scaled, -1, 0, where), where);
}

Var rbf_gram(Var x, Var y, double gamma, Loc where) {
  return exp(affine(squared_distances(x, y, where), -gamma, 0, where), where);
}

}  // namespace metatape
