#pragma once

// The catalogue of tape operations. Every function records one or a few instructions and runs
// nothing. Shapes are those of one task; the task extents of operands are equal or 1, and a value
// with task extent 1 is shared by all tasks. x_bar is the cotangent of x, y_bar that of the result.
//
// Errors of all of them: shape or dtype, at record time, naming the operands and the source line.
// Dtypes are f32 and f64 (all operands alike) unless stated. Derivatives exist to any order.

#include <optional>
#include <span>
#include <vector>

#include "engine/tape.h"
#include "kernels/episodes/episodes.h"

namespace metatape {

// ---- sources ---------------------------------------------------------------------------------

/// A constant array: every element is `value`.
Var fill(Tape&, const Shape&, double value, DType = DType::f32, Loc = Loc::current());

/// A value of no value: the cotangent that jvp differentiates by. Running it is an error.
Var tangent_seed(Tape&, const Shape&, DType, Loc = Loc::current());

// ---- elementwise, one operand ----------------------------------------------------------------

/// alpha x + beta.    x_bar = alpha y_bar
Var affine(Var x, double alpha, double beta, Loc = Loc::current());
/// e^x.    x_bar = y_bar y
Var exp(Var x, Loc = Loc::current());
/// e^x - 1, exact near 0.    x_bar = y_bar (y + 1)
Var expm1(Var x, Loc = Loc::current());
/// Natural logarithm.    x_bar = y_bar / x
Var log(Var x, Loc = Loc::current());
/// x_bar = y_bar / (2 y)
Var sqrt(Var x, Loc = Loc::current());
/// x^(-1/2).    x_bar = -y_bar y^3 / 2
Var rsqrt(Var x, Loc = Loc::current());
/// 1 / x.    x_bar = -y_bar y^2
Var reciprocal(Var x, Loc = Loc::current());
/// x^2.    x_bar = 2 x y_bar
Var square(Var x, Loc = Loc::current());
/// x^exponent for a constant exponent.    x_bar = exponent x^(exponent-1) y_bar
Var pow(Var x, double exponent, Loc = Loc::current());
/// x_bar = y_bar (1 - y^2)
Var tanh(Var x, Loc = Loc::current());
/// 1 / (1 + e^-x).    x_bar = y_bar y (1 - y)
Var sigmoid(Var x, Loc = Loc::current());
/// log(1 + e^x).    x_bar = y_bar sigmoid(x)
Var softplus(Var x, Loc = Loc::current());
/// x in radians.    x_bar = y_bar cos(x)
Var sin(Var x, Loc = Loc::current());
/// x in radians.    x_bar = -y_bar sin(x)
Var cos(Var x, Loc = Loc::current());
/// x_bar = y_bar sign(x); 0 at 0
Var abs(Var x, Loc = Loc::current());
/// -1, 0 or 1. Derivative zero.
Var sign(Var x, Loc = Loc::current());
/// x where x > 0, else slope x.    x_bar = relu_mask(y_bar, x); the derivative at 0 is slope.
Var relu(Var x, double slope = 0, Loc = Loc::current());
/// The same numbers in another type. Between f32 and f64 x_bar = cast of y_bar; else no derivative.
Var cast(Var x, DType, Loc = Loc::current());

// ---- elementwise, two operands; extents stretch as in NumPy, aligned at the last axis ----------

Var add(Var a, Var b, Loc = Loc::current());
Var sub(Var a, Var b, Loc = Loc::current());
/// a_bar = y_bar b, b_bar = y_bar a (each summed back to its operand's shape)
Var mul(Var a, Var b, Loc = Loc::current());
/// a_bar = y_bar / b, b_bar = -y_bar y / b
Var div(Var a, Var b, Loc = Loc::current());
/// The larger. A tie gives its cotangent to a.
Var maximum(Var a, Var b, Loc = Loc::current());
/// The smaller. A tie gives its cotangent to a.
Var minimum(Var a, Var b, Loc = Loc::current());
/// 1 where a > b, else 0. Derivative zero.
Var greater(Var a, Var b, Loc = Loc::current());
/// 1 where a >= b, else 0. Derivative zero.
Var greater_equal(Var a, Var b, Loc = Loc::current());
/// a where x > 0, else slope a: linear in a, constant in x almost everywhere.
Var relu_mask(Var a, Var x, double slope = 0, Loc = Loc::current());

/// A first operand that knows the source line it was written on: operators have no argument for it.
struct LocatedVar {
  Var value;
  Loc where;
  LocatedVar(Var v, Loc here = Loc::current()) : value(v), where(here) {}
};

inline Var operator+(LocatedVar a, Var b) { return add(a.value, b, a.where); }
inline Var operator-(LocatedVar a, Var b) { return sub(a.value, b, a.where); }
inline Var operator*(LocatedVar a, Var b) { return mul(a.value, b, a.where); }
inline Var operator/(LocatedVar a, Var b) { return div(a.value, b, a.where); }
inline Var operator-(LocatedVar a) { return affine(a.value, -1, 0, a.where); }
inline Var operator*(double c, LocatedVar a) { return affine(a.value, c, 0, a.where); }
inline Var operator*(LocatedVar a, double c) { return affine(a.value, c, 0, a.where); }
inline Var operator/(LocatedVar a, double c) { return affine(a.value, 1 / c, 0, a.where); }
inline Var operator+(LocatedVar a, double c) { return affine(a.value, 1, c, a.where); }
inline Var operator-(LocatedVar a, double c) { return affine(a.value, 1, -c, a.where); }
inline Var operator-(double c, LocatedVar a) { return affine(a.value, -1, c, a.where); }

// ---- sums and stretching -----------------------------------------------------------------------

/// Sums x down to `shape`, which must stretch to x's shape.    x_bar = broadcast_to(y_bar)
Var sum_to(Var x, const Shape& shape, Loc = Loc::current());
/// sum_to(a * b, shape) without writing the product. a and b stretch to their common shape.
/// a_bar = y_bar b, b_bar = y_bar a
Var sum_product_to(Var a, Var b, const Shape& shape, Loc = Loc::current());
/// Repeats x to `shape`.    x_bar = sum_to(y_bar)
Var broadcast_to(Var x, const Shape& shape, Loc = Loc::current());

/// Sum of each task's elements: T x [...] -> T x [].
Var sum(Var x, Loc = Loc::current());
/// Mean of each task's elements: T x [...] -> T x [].
Var mean(Var x, Loc = Loc::current());
/// Sum over the given axes; they stay with extent 1.
Var sum_axes(Var x, std::span<const int> axes, Loc = Loc::current());
Var mean_axes(Var x, std::span<const int> axes, Loc = Loc::current());
/// Sum over tasks: T x [...] -> [...].
Var sum_tasks(Var x, Loc = Loc::current());
/// Mean over tasks: T x [...] -> [...].
Var mean_tasks(Var x, Loc = Loc::current());
/// One copy for each task: [...] -> T x [...].
Var broadcast_tasks(Var x, std::int64_t tasks, Loc = Loc::current());
/// sum_i a_i b_i of each task: T x [].
Var dot(Var a, Var b, Loc = Loc::current());

// ---- places of elements ------------------------------------------------------------------------

/// The same elements in the same order with other extents per task. No copy.
Var reshape(Var x, std::span<const std::int64_t> extents, Loc = Loc::current());
Var reshape(Var x, std::initializer_list<std::int64_t> extents, Loc = Loc::current());
/// The same value as a constant: no cotangent passes.
Var stop_gradient(Var x, Loc = Loc::current());
/// Axis k of the result is axis permutation[k] of x.    x_bar = the inverse permutation
Var transpose(Var x, std::span<const int> permutation, Loc = Loc::current());
/// Swaps the last two axes.
Var transpose(Var x, Loc = Loc::current());
/// Elements start, start + step, ... below stop along one axis.    x_bar = pad
Var slice(Var x, int axis, std::int64_t start, std::int64_t stop, std::int64_t step = 1,
          Loc = Loc::current());
/// Puts x's elements at start, start + step, ... of an axis of the given extent; zeros elsewhere.
/// x_bar = slice
Var pad(Var x, int axis, std::int64_t extent, std::int64_t start, std::int64_t step = 1,
        Loc = Loc::current());
/// Joins values along one axis; their other extents agree.    x_bar of each = its slice
Var concat(std::span<const Var> parts, int axis, Loc = Loc::current());

// ---- linear algebra ----------------------------------------------------------------------------

struct MatmulOptions {
  bool transpose_a = false, transpose_b = false;
};
/// op(a) op(b) for the last two axes; leading axes agree or are absent in one operand.
/// op(a) [...,M,K], op(b) [...,K,N] -> [...,M,N].    Cost: 2 M N K flop each.
/// a_bar = y_bar op(b)', b_bar = op(a)' y_bar (transposed with the flags)
Var matmul(Var a, Var b, MatmulOptions = {}, Loc = Loc::current());

/// Lower triangle of square matrices: x below the diagonal, diagonal_scale x on it, 0 above it.
/// [...,n,n] -> [...,n,n].    x_bar = tril(y_bar, diagonal_scale)
Var tril(Var x, double diagonal_scale = 1, Loc = Loc::current());
/// The diagonal of square matrices: [...,n,n] -> [...,n].
Var diagonal(Var x, Loc = Loc::current());
/// Square matrices with this diagonal and zeros beside it: [...,n] -> [...,n,n].
Var diagonal_matrix(Var d, Loc = Loc::current());

struct SolveTriangularOptions {
  bool transpose = false;
};
/// x = op(l)^-1 b with l lower triangular; its elements above the diagonal are not read.
/// l [...,n,n], b [...,n,k], leading axes equal -> x [...,n,k].    Cost: n^2 k flop each.
/// b_bar = op(l)'^-1 x_bar, l_bar = -tril(b_bar x') (with the flag -tril(x b_bar')).
/// A zero on the diagonal gives infinities or NaN.    Source: Giles 2008, "An extended collection
/// of matrix derivative results for forward and reverse mode algorithmic differentiation".
Var solve_triangular(Var l, Var b, SolveTriangularOptions = {}, Loc = Loc::current());

struct CholeskyOptions {
  int jitter_tries = 3;  ///< 0: fail at once
};
/// Lower triangular l with l l' = (a + a') / 2, zeros above its diagonal: [...,n,n] -> [...,n,n].
/// Cost: n^3 / 3 flop each.    With phi = tril(l' l_bar, 1/2) and S = l'^-1 phi l^-1:
/// a_bar = (S + S') / 2.    Source: Murray 2016, arXiv:1602.07527.
/// A matrix that is not positive definite is factored again with a jitter of mean(diag a) x 1e-6
/// (f32) or 1e-8 (f64) on its diagonal, then 10 and 100 times that. CpuExecutor::warnings() names
/// it; derivatives are those of the matrix with the jitter as a constant.
/// Errors at run time: numerical, if that does not help or an element is not finite.
Var cholesky(Var a, CholeskyOptions = {}, Loc = Loc::current());
/// a^-1 b for symmetric positive definite a, as two triangular solves: a [...,n,n], b [...,n,k].
Var solve_positive_definite(Var a, Var b, CholeskyOptions = {}, Loc = Loc::current());
/// log det a for symmetric positive definite a: [...,n,n] -> [...].    a_bar = y_bar a^-1
Var logdet(Var a, CholeskyOptions = {}, Loc = Loc::current());

// ---- distances and kernels ---------------------------------------------------------------------

/// d[i,j] = sum_k (x[i,k] - y[j,k])^2: x [...,N,D], y [...,M,D], leading axes equal -> [...,N,M].
/// Nothing cancels: the error is relative to d, equal rows are exactly 0 apart, and exchanging x
/// and y transposes d to the bit.    Cost: 3 N M D flop.
/// x_bar_i = 2 sum_j d_bar[i,j] (x_i - y_j), y_bar_j = 2 sum_i d_bar[i,j] (y_j - x_i)
Var squared_distances(Var x, Var y, Loc = Loc::current());
/// exp(-gamma |x_i - y_j|^2) with gamma > 0, in 1 / (unit of x)^2: gamma [] or [1,1], so that it
/// can be learned.
Var rbf_gram(Var x, Var y, Var gamma, Loc = Loc::current());
Var rbf_gram(Var x, Var y, double gamma, Loc = Loc::current());

// ---- convolution -------------------------------------------------------------------------------

struct Conv2dOptions {
  std::int64_t stride = 1, pad = 0;
};
/// 2-D cross-correlation with zero padding.
/// y[n,p,q,k] = sum_{r,s,c} x[n, p stride + r - pad, q stride + s - pad, c] w[k,r,s,c]
/// Shapes: x [N,H,W,C], w [K,R,S,C] -> y [N,P,Q,K],  P = floor((H + 2 pad - R) / stride) + 1.
/// Cost: 2 N P Q K R S C flop.    x_bar = conv2d_input_grad(y_bar, w),
/// w_bar = conv2d_weight_grad(x, y_bar).    Source: Dumoulin & Visin 2016, arXiv:1603.07285,
/// sec. 2.
Var conv2d(Var x, Var w, Conv2dOptions = {}, Loc = Loc::current());
/// The adjoint of conv2d in x: y_bar [N,P,Q,K], w [K,R,S,C] -> x_bar [N,height,width,C].
Var conv2d_input_grad(Var y_bar, Var w, std::int64_t height, std::int64_t width, Conv2dOptions = {},
                      Loc = Loc::current());
/// The adjoint of conv2d in w: x [N,H,W,C], y_bar [N,P,Q,K] -> w_bar
/// [K,filter_height,filter_width,C].
Var conv2d_weight_grad(Var x, Var y_bar, std::int64_t filter_height, std::int64_t filter_width,
                       Conv2dOptions = {}, Loc = Loc::current());

// ---- max-pooling -------------------------------------------------------------------------------

struct PoolOptions {
  std::int64_t window = 2, stride = 2;
};
/// Largest element of each window, without padding: [N,H,W,C] -> [N,P,Q,C],
/// P = floor((H - window) / stride) + 1. The first of equals wins.    x_bar = pool_scatter
Var max_pool2d(Var x, PoolOptions = {}, Loc = Loc::current());
/// u8 [N,P,Q,C]: place r window + s of the largest element of each window. No derivative.
Var max_pool_index(Var x, PoolOptions = {}, Loc = Loc::current());
/// x at the places of `index`: [N,H,W,C] -> [N,P,Q,C].    x_bar = pool_scatter(y_bar)
Var pool_gather(Var x, Var index, PoolOptions = {}, Loc = Loc::current());
/// y_bar added at the places of `index`: [N,P,Q,C] -> [N,height,width,C].  y_bar' = pool_gather
Var pool_scatter(Var y_bar, Var index, std::int64_t height, std::int64_t width, PoolOptions = {},
                 Loc = Loc::current());

// ---- normalisation and losses ------------------------------------------------------------------

/// Batch normalisation with the statistics of the batch, over all axes but the last:
/// y = gamma (x - mean) / sqrt(var + epsilon) + beta, var biased (divided by the count).
/// Shapes: x [...,C], gamma [C], beta [C]. Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1.
Var batch_norm(Var x, Var gamma, Var beta, double epsilon = 1e-5, Loc = Loc::current());

/// x - log sum exp x over the last axis.    x_bar = y_bar - softmax(x) sum(y_bar)
Var log_softmax(Var x, Loc = Loc::current());
/// x[..., label[...]]: x [...,C], label i32 [...] -> [...].    x_bar = put_label(y_bar)
Var take_label(Var x, Var label, Loc = Loc::current());
/// y_bar at the label, zero elsewhere: [...] -> [...,classes].    y_bar' = take_label
Var put_label(Var y_bar, Var label, std::int64_t classes, Loc = Loc::current());
/// i32 place of the largest element along the last axis; the first of equals wins. No derivative.
Var argmax(Var x, Loc = Loc::current());
/// 1 where two i32 arrays agree, else 0, as a float type. No derivative.
Var equal_labels(Var a, Var b, DType = DType::f32, Loc = Loc::current());

/// Mean cross-entropy of each task: logits [N,C], label i32 [N] -> []. Natural units (nats).
Var cross_entropy(Var logits, Var label, Loc = Loc::current());
/// Share of rows whose largest logit is at the label, of each task: in [0, 1]. No derivative.
Var accuracy(Var logits, Var label, Loc = Loc::current());
/// Mean of (prediction - target)^2 of each task.
Var mean_squared_error(Var prediction, Var target, Loc = Loc::current());

// ---- drawing from a set ------------------------------------------------------------------------

struct DrawOptions {
  std::int64_t tasks = 1, groups = 1, members = 1;
  kernels::Turns turns = kernels::Turns::none;
  std::uint64_t seed = 0;
  kernels::RandomPurpose purpose = {};  ///< which of the seed's streams
};
/// For each task `groups` distinct groups in random order, and of each `members` distinct members:
/// i32 T x [groups,members,2], an item and its quarter turns. No derivative.
/// table i32 [G,2]: first item and number of items of each group, at least `members` (not checked:
/// a group with fewer gives items that are not its own). iteration and first_task i32 []: task t
/// draws from the stream (seed, purpose, iteration, first_task + t) alone. Source: philox.h.
Var draw_members(Var iteration, Var first_task, Var table, const DrawOptions&,
                 Loc = Loc::current());
/// Chosen images as numbers byte / 255 in [0, 1]: images u8 [M,H,W,C], choice i32 [...,2] (image,
/// counter-clockwise quarter turns) -> [...,H,W,C]. A choice outside of the images gives zeros;
/// images that are not square are not turned. No derivative.
Var gather_images(Var images, Var choice, DType = DType::f32, Loc = Loc::current());
/// x + 1 for i32, modulo 2^32. No derivative.
Var increment(Var x, Loc = Loc::current());

// ---- over the ranks of a run -------------------------------------------------------------------

/// ((base + value_0) + value_1) + ..., where value_r is the value of rank r, the same bits on all
/// ranks. base, of value's shape, must be the same on all. For one rank: base + value, which no
/// other pass rewrites. No derivative.
Var add_over_ranks(Var base, Var value, int ranks, Loc = Loc::current());
/// The tasks of all ranks, in rank order: T x [...] -> ranks T x [...]. No derivative.
Var gather_over_ranks(Var value, int ranks, Loc = Loc::current());

}  // namespace metatape
