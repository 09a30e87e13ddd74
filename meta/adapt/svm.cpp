// The dual problem in two stages: a fixed number of ADMM iterations finds which bounds hold with
// equality, then one linear system gives the solution there. Stellato et al. 2020, "OSQP", Math.
// Prog. Comp. 12, sec. 4, call the second stage polishing. The first one is a constant for
// derivatives: near a solution with strict complementarity the set of active bounds does not
// change, so that the derivative of the linear system is that of the solution (Amos & Kolter 2017,
// arXiv:1703.00443, eq. 6).

#include "engine/ops.h"
#include "meta/adapt/closed_form.h"
#include "meta/method/part.h"
#include "meta/settings/refuse.h"

namespace metatape {
namespace {

constexpr const char* kScale = "svm.scale";

struct Iterate {
  Var a;      ///< [n,m], within the bounds
  Var bound;  ///< [n,m], 1 where the upper bound is active
};

/// ADMM on a = v with the rows of a summing to 0 and v <= upper: the first update is
/// (gram + rho I)^-1 (y + rho (v - u)) with its row means taken off, since the projection acts on
/// columns and gram on rows.
Iterate find_active_bounds(Var gram, Var y, Var upper, std::int64_t steps) {
  // The eigenvalues of gram lie between 1 and its trace; their geometric mean balances both ends.
  const Var rho = sqrt(sum(diagonal(gram)));
  const Var identity = diagonal_matrix(fill(*gram.tape, {gram.extent(-1)}, 1, gram.dtype()));
  const Var inverse =
      solve_positive_definite(with_ridge(gram, rho), broadcast_tasks(identity, gram.tasks()));
  const int over_classes[] = {-1};
  constexpr double kRelaxation = 1.6;  // as OSQP's default
  Var v = 0.0 * y, u = v;
  for (std::int64_t k = 0; k < steps; ++k) {
    const Var solved = matmul(inverse, y + rho * (v - u));
    const Var a = solved - mean_axes(solved, over_classes);
    const Var step = kRelaxation * a + (1 - kRelaxation) * v + u;
    v = minimum(step, upper);
    u = step - v;
  }
  return {v, greater(u, 0.0 * u)};
}

/// The solution with the entries of `bound` at `upper` and the others free. Column m solves
/// Q_m a_m = free (y_m - gram (bound upper)_m - nu) + (bound upper)_m with Q_m = gram among the
/// free entries and I elsewhere; nu makes the rows sum to 0.
Var solve_on(Var bound, Var gram, Var y, Var upper) {
  const std::int64_t n = y.extent(-2), m = y.extent(-1);
  const Var free_rows = transpose(1.0 - bound);                    // [m,n]
  const Var fixed = reshape(transpose(bound * upper), {m, n, 1});  // [m,n,1]
  const Var free = reshape(free_rows, {m, n, 1});                  // [m,n,1]
  const Var pairs = matmul(free, free, {.transpose_b = true});     // [m,n,n]
  const Var q = reshape(gram, {1, n, n}) * pairs + diagonal_matrix(1.0 - free_rows);
  const Var inverse = solve_positive_definite(q, diagonal_matrix(free_rows));  // of the free part
  const Var pull = transpose(y - matmul(gram, bound * upper));                 // [m,n]
  const Var unconstrained = matmul(inverse, reshape(pull, {m, n, 1}));         // [m,n,1]
  const int over_classes[] = {0};
  const Var row_sums = reshape(sum_axes(unconstrained + fixed, over_classes), {n, 1});
  const Var nu =
      solve_positive_definite(reshape(sum_axes(inverse, over_classes), {n, n}), row_sums);
  const Var correction = reshape(matmul(reshape(inverse, {m * n, n}), nu), {m, n, 1});
  return transpose(reshape(unconstrained - correction + fixed, {m, n}));
}

class SupportVectorMachine : public Adaptation {
 public:
  explicit SupportVectorMachine(const ClosedFormOptions& o) : o_(o) {}

  std::vector<Parameter> parameters(const Model&) const override {
    return {learned_number(kScale, o_.scale)};
  }
  bool replaces_head() const override { return true; }

  Learned learn(const TaskBatch& tasks, std::int64_t) const override {
    Tape& tape = *tasks.iteration.tape;
    const Scope scope(tape, "svm");
    const Var z = support_features(tasks);
    const Var gram = with_ridge(matmul(z, z, {.transpose_b = true}), fill(tape, {}, 1, z.dtype()));
    const SvmDual dual = solve_svm_dual(gram, support_targets(tasks), o_.margin, o_.qp_steps);
    const Var coefficients = o_.first_order ? stop_gradient(dual.coefficients) : dual.coefficients;
    Learned learned;
    learned.predict = [tasks, z, coefficients, o = o_](std::int64_t, Var x) {
      const Var k = matmul(query_features(tasks, tasks.theta, x), z, {.transpose_b = true});
      return learned_number(tasks, kScale, o.scale) * matmul(k, coefficients);
    };
    learned.diagnostics.push_back({"qp_distance", dual.distance});
    return learned;
  }

 private:
  ClosedFormOptions o_;
};

}  // namespace

SvmDual solve_svm_dual(Var gram, Var y, double margin, std::int64_t steps) {
  const Var upper = margin * y;
  const Iterate last = find_active_bounds(stop_gradient(gram), stop_gradient(y), upper, steps);
  const Var bound = stop_gradient(last.bound);
  const Var coefficients = solve_on(bound, gram, y, upper);
  return {coefficients, sqrt(sum(square(stop_gradient(coefficients) - last.a)))};
}

std::shared_ptr<const Adaptation> make_svm(const ClosedFormOptions& options) {
  return std::make_shared<SupportVectorMachine>(options);
}

const Part<Adaptation> svm_part{
    .name = "svm",
    .formula =
        "logits s z_q Z'A, A = argmin tr(A'(ZZ' + I)A)/2 - <Y, A> with A <= C Y and row sums "
        "0, differentiated through its optimality conditions",
    .source = "Lee, Maji, Ravichandran, Soatto 2019, arXiv:1904.03758, eq. 5 and 6",
    .make = [](const Config& c) { return make_svm(closed_form_options(c)); },
    .check =
        [](const Config& c) {
          check_closed_form(c);
          check_classes(c);
          check_scale(c);
          refuse_if(c.head.margin <= 0, "head.margin",
                    "found {}: it bounds the dual variables, which all vanish then; expected a "
                    "number > 0",
                    c.head.margin);
        },
};

}  // namespace metatape
