#include "meta/outer/implicit.h"

#include <gtest/gtest.h>

#include "engine/autodiff.h"
#include "meta/adapt/gradient_steps.h"
#include "meta/adapt/proximal.h"
#include "meta/combine/combination.h"
#include "meta/outer/meta_gradient.h"
#include "meta/outer/query_loss.h"
#include "tests/meta/small_problem.h"
#include "tests/meta/small_workload.h"
#include "tests/support/compare.h"
#include "tests/support/expect_error.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Values = std::vector<double>;

Method imaml(const ProximalOptions& proximal, const ImplicitOptions& implicit, std::int64_t steps) {
  return {.adaptation = make_proximal(proximal),
          .query_loss = make_last_step_loss(),
          .regularizers = {},
          .meta_gradient = make_implicit(implicit),
          .combination = make_mean(),
          .steps = steps,
          .test_steps = steps};
}

/// x of A x = b by Gaussian elimination with pivoting; a is row-major.
Values dense_solve(Values a, Values b) {
  const std::size_t n = b.size();
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k; i < n; ++i)
      if (std::abs(a[i * n + k]) > std::abs(a[pivot * n + k])) pivot = i;
    for (std::size_t j = 0; j < n; ++j) std::swap(a[k * n + j], a[pivot * n + j]);
    std::swap(b[k], b[pivot]);
    for (std::size_t i = k + 1; i < n; ++i) {
      const double f = a[i * n + k] / a[k * n + k];
      for (std::size_t j = k; j < n; ++j) a[i * n + j] -= f * a[k * n + j];
      b[i] -= f * b[k];
    }
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t j = k + 1; j < n; ++j) b[k] -= a[k * n + j] * b[j];
    b[k] /= a[k * n + k];
  }
  return b;
}

/// Columns of the Hessian of each task's support loss: one product for each parameter. [t][i][j]
std::vector<Values> dense_hessians(SmallProblem& p, const ParamSet& phi) {
  Tape& tape = p.s.tape;
  std::vector<Var> direction;
  std::size_t n = 0;
  for (const auto& entry : phi.entries()) {
    direction.push_back(
        tape.input("v/" + entry.name, entry.value.shape().with_tasks(1), entry.value.dtype()));
    n += std::size_t(direction.back().shape().elements());
  }
  const std::size_t tasks = std::size_t(p.episode.query_x.tasks());
  std::vector<Var> repeated;
  for (const Var& v : direction) repeated.push_back(broadcast_tasks(v, std::int64_t(tasks)));
  const std::vector<Var> product =
      hvp(p.support_loss(phi), phi.values(), repeated, HvpForm::forward_over_reverse);
  const Program program = compile(tape, {.fetch = product});
  CpuExecutor executor(program, p.s.store);
  std::vector<Values> hessians(tasks, Values(n * n));
  std::size_t column = 0;
  for (std::size_t i = 0; i < direction.size(); ++i)
    for (std::int64_t j = 0; j < direction[i].shape().elements(); ++j, ++column) {
      for (std::size_t k = 0; k < direction.size(); ++k) {
        Tensor& input = executor.input("v/" + phi.entries()[k].name);
        for (std::int64_t e = 0; e < input.elements(); ++e)
          input.set_at(e, k == i && e == j ? 1 : 0);
      }
      executor.run();
      std::size_t row = 0;
      for (std::size_t k = 0; k < product.size(); ++k) {
        const Values part = executor.fetch(k).values();
        const std::size_t length = part.size() / tasks;
        for (std::size_t t = 0; t < tasks; ++t)
          for (std::size_t e = 0; e < length; ++e)
            hessians[t][(row + e) * n + column] = part[t * length + e];
        row += length;
      }
    }
  return hessians;
}

/// The elements of one task, entry after entry.
Values of_task(SmallProblem& p, const ParamSet& set, std::size_t task) {
  Values all;
  for (const Tensor& t : p.s.run_all(set.values())) {
    const Values v = t.values();
    const std::size_t length = v.size() / std::size_t(p.episode.query_x.tasks());
    all.insert(all.end(), v.begin() + std::ptrdiff_t(task * length),
               v.begin() + std::ptrdiff_t((task + 1) * length));
  }
  return all;
}

void expect_dense_solution(SmallProblem& p, const ProximalOptions& proximal, double damping,
                           std::int64_t cg_steps) {
  const MetaStep step = record_meta_step(
      imaml(proximal, {.lambda = proximal.lambda, .cg_steps = cg_steps, .damping = damping}, 4),
      p.batch());
  const ParamSet phi = p.numbers(proximal_steps(p.own_batch(), 4, proximal).phi.back());
  const ParamSet b = p.numbers(grad(p.query_loss(phi), phi));
  const ParamSet found = p.numbers(step.task_gradient);
  const std::vector<Values> hessians = dense_hessians(p, phi);
  for (std::size_t t = 0; t < hessians.size(); ++t) {
    const Values b_t = of_task(p, b, t);
    Values a = hessians[t];
    for (double& h : a) h /= proximal.lambda;
    for (std::size_t i = 0; i < b_t.size(); ++i) a[i * b_t.size() + i] += 1 + damping;
    const Values x = dense_solve(a, b_t);
    expect_all_near(of_task(p, found, t), x, tolerance::kOptimality, "gradient");
    double most = 0;  // the system is not the identity: b itself is no solution
    for (std::size_t i = 0; i < x.size(); ++i) most = std::max(most, std::abs(x[i] - b_t[i]));
    EXPECT_GT(most, tolerance::kMetaGradient);
  }
  expect_all_zero(p.s.run(step.assumptions.at(0).broken), "indefinite steps");
}

TEST(Implicit, EqualsTheDenseSolveOnANetwork) {
  SmallRegression p;
  expect_dense_solution(p, {.lambda = 2, .lr = 0.1}, 0, 20);
  expect_dense_solution(p, {.lambda = 2, .lr = 0.1}, 0.5, 20);
}

TEST(Implicit, EqualsTheDenseSolveWithConvolutionsAndBatchNorm) {
  SmallImages p;
  expect_dense_solution(p, {.lambda = 200, .lr = 0.004}, 0, 10);
}

TEST(Implicit, IsTheDerivativeOfTheLossOfTheSolvedProblem) {
  SmallRegression p;
  constexpr std::int64_t kConverged = 40;  // the distance shrinks by 0.4 a step
  const MetaStep step = record_meta_step(
      imaml({.lambda = 4, .lr = 0.15}, {.lambda = 4, .cg_steps = 12}, kConverged), p.batch());
  const Var total = sum_tasks(step.loss);
  const double tasks = double(p.episode.query_x.tasks());
  const Values gradient = p.run(tasks * mean_tasks(step.task_gradient));
  constexpr double kStep = 1e-5;
  for (int k = 0; k < 4; ++k) {
    Values direction(gradient.size());
    double slope = 0;
    for (std::size_t i = 0; i < direction.size(); ++i) {
      direction[i] = std::cos(double(i) * 1.3 + k);
      slope += direction[i] * gradient[i];
    }
    p.move(direction, kStep);
    const double up = p.s.run(total)[0];
    p.move(direction, -2 * kStep);
    const double down = p.s.run(total)[0];
    p.move(direction, kStep);
    expect_all_near(Values{slope}, Values{(up - down) / (2 * kStep)}, tolerance::kMetaGradient,
                    "slope");
  }
}

TEST(Implicit, ReportsTheResidualOfItsSystem) {
  SmallRegression p;
  const double lambda = 2;
  const MetaStep step =
      record_meta_step(imaml({.lambda = lambda}, {.lambda = lambda, .cg_steps = 2}, 4), p.batch());
  ASSERT_EQ(step.diagnostics.size(), 1u);
  EXPECT_EQ(step.diagnostics[0].name, "cg_residual");
  const ParamSet phi = p.numbers(proximal_steps(p.own_batch(), 4, {.lambda = lambda}).phi.back());
  const ParamSet x = p.numbers(step.task_gradient), b = grad(p.query_loss(phi), phi);
  const ParamSet hx = phi.with_values(hvp(p.support_loss(phi), phi.values(), x.values()));
  const ParamSet rest = b - x - (1 / lambda) * hx;
  expect_all_near(p.s.run(step.diagnostics[0].value), p.s.run(norm(rest) / norm(b)),
                  tolerance::kOptimality, "residual");
}

TEST(Implicit, StaysFiniteAfterItsSystemIsSolved) {
  SmallParabola p(0.5, 2, 1, 3, -1);
  const MetaStep step = record_meta_step(
      imaml({.lambda = 2, .lr = 0.1}, {.lambda = 2, .cg_steps = 30}, 100), p.batch());
  expect_all_near(p.run(step.task_gradient), Values{2.625}, tolerance::kGolden, "gradient");
  EXPECT_LE(p.s.run(step.diagnostics[0].value)[0], tolerance::kExactForms);
  expect_all_zero(p.s.run(step.assumptions[0].broken), "indefinite steps");
}

TEST(Implicit, OfAQueryLossAtItsMinimumIsZero) {
  SmallParabola p(0.5, 2, 1, 0, -1);
  const MetaStep step =
      record_meta_step(imaml({.lambda = 2, .lr = 0.1}, {.lambda = 2, .cg_steps = 3}, 5), p.batch());
  expect_all_zero(p.run(step.task_gradient), "gradient");
  expect_all_zero(p.s.run(step.diagnostics[0].value), "residual");
  expect_all_zero(p.s.run(step.assumptions[0].broken), "indefinite steps");
}

TEST(Implicit, NamesAnIndefiniteSystemAndItsRemedy) {
  SmallParabola p(0.5, -5, 1, 3, -1);  // 1 + a / lambda = -1.5
  const MetaStep step =
      record_meta_step(imaml({.lambda = 2, .lr = 0.1}, {.lambda = 2, .cg_steps = 1}, 2), p.batch());
  EXPECT_EQ(p.s.run(step.assumptions.at(0).broken), Values{1});
  EXPECT_NE(step.assumptions[0].message.find("use a larger inner.lambda"), std::string::npos);
  const MetaStep damped = record_meta_step(
      imaml({.lambda = 2, .lr = 0.1}, {.lambda = 2, .cg_steps = 1, .damping = 2}, 2), p.batch());
  expect_all_zero(p.s.run(damped.assumptions.at(0).broken), "indefinite steps");
}

TEST(Implicit, TruncatesAtADirectionOfNegativeCurvature) {
  // Its first direction is one: the gradient of the query loss takes the place of the solution.
  SmallParabola bent(0.5, -5, 1, 3, -1);
  const ImplicitOptions truncated{.lambda = 2, .cg_steps = 3, .damping = 0.25, .truncate = true};
  const MetaStep step =
      record_meta_step(imaml({.lambda = 2, .lr = 0.1}, truncated, 2), bent.batch());
  const ParamSet phi =
      bent.numbers(proximal_steps(bent.own_batch(), 2, {.lambda = 2, .lr = 0.1}).phi.back());
  const Values b = bent.run(grad(bent.query_loss(phi), phi));
  ASSERT_NE(b[0], 0);
  expect_all_near(bent.run(step.task_gradient), Values{b[0] / 1.25}, tolerance::kExactForms,
                  "gradient");
  EXPECT_EQ(step.diagnostics.at(1).name, "cg_truncated");
  EXPECT_EQ(bent.s.run(step.diagnostics[1].value), Values{1});
  EXPECT_TRUE(step.assumptions.empty());

  // Where none is met, nothing changes.
  SmallRegression p;
  const ProximalOptions proximal{.lambda = 2, .lr = 0.1};
  const auto gradient = [&](bool truncate) {
    return p.run(
        record_meta_step(imaml(proximal, {.lambda = 2, .cg_steps = 8, .truncate = truncate}, 4),
                         p.batch())
            .task_gradient);
  };
  EXPECT_EQ(gradient(true), gradient(false));
}

// ---- Hessian-vector products -------------------------------------------------------------------

constexpr HessianProduct kAllProducts[] = {HessianProduct::reverse, HessianProduct::forward,
                                           HessianProduct::difference};

TEST(SupportHessian, IsTheSameInBothExactFormsAndNearByDifferences) {
  SmallImages p;
  const ParamSet phi = p.numbers(p.own_batch().theta);
  const TaskBatch tasks = p.own_batch();
  const ParamSet v = p.numbers(grad(p.query_loss(phi), phi));
  const Values exact = p.run(SupportHessian(tasks, phi, HessianProduct::reverse).times(v));
  expect_all_near(exact, p.run(phi.with_values(hvp(p.support_loss(phi), phi.values(), v.values()))),
                  tolerance::kExactForms, "reverse");
  expect_all_near(p.run(SupportHessian(tasks, phi, HessianProduct::forward).times(v)), exact,
                  tolerance::kExactForms, "forward");
  expect_all_near(p.run(SupportHessian(tasks, phi, HessianProduct::difference).times(v)), exact,
                  tolerance::kHessianVector, "difference");
}

TEST(SupportHessian, OfAZeroDirectionIsZero) {
  SmallRegression p;
  const TaskBatch tasks = p.own_batch();
  const ParamSet zero = 0.0 * tasks.theta;
  for (const HessianProduct product : kAllProducts)
    expect_all_zero(p.run(SupportHessian(tasks, tasks.theta, product).times(zero)), "product");
}

TEST(ReverseRecursion, IsTheDerivativeThroughTheSteps) {
  for (const HessianProduct product : kAllProducts) {
    SmallRegression p;
    Method method = imaml({}, {}, 3);
    method.adaptation = make_gradient_steps({.lr = 0.1});
    method.meta_gradient = make_differentiated();
    const Values through = p.run(record_meta_step(method, p.batch()).task_gradient);
    method.meta_gradient = make_reverse_recursion(0.1, product);
    expect_all_near(
        p.run(record_meta_step(method, p.batch()).task_gradient), through,
        product == HessianProduct::difference ? tolerance::kHessianVector : tolerance::kExactForms,
        "meta-gradient");
  }
}

// ---- whole programs ----------------------------------------------------------------------------

std::size_t live_bytes_of(std::int64_t steps, std::initializer_list<const char*> settings) {
  Workload w = image_workload();
  w.config.inner.steps = steps;
  for (const char* setting : settings) set_config(w.config, setting);
  check_config(w.config);
  return record_training(w.config, w.model, w.training->layout(), Target{})
      .program.plan.live_bound_bytes;
}

TEST(Implicit, MemoryDoesNotGrowWithInnerSteps) {
  for (const char* gradient : {"outer.gradient=implicit", "outer.gradient=forward_difference",
                               "outer.gradient=symmetric_difference"}) {
    const std::size_t few = live_bytes_of(2, {"inner.solver=proximal", gradient});
    const std::size_t many = live_bytes_of(8, {"inner.solver=proximal", gradient});
    EXPECT_LE(many, few + few / 32) << gradient;
  }
  EXPECT_GT(live_bytes_of(8, {}), 2 * live_bytes_of(2, {}))
      << "gradient steps do keep what they computed";
}

TEST(Implicit, SettingsThatMakeNoSenseAreRefusedWithTheReason) {
  auto expect_refused = [](const std::string& fragment,
                           std::initializer_list<const char*> settings) {
    Config config;
    for (const char* setting : settings) set_config(config, setting);
    expect_error(ErrorKind::usage, fragment, [&] { check_config(config); });
  };
  const char* proximal = "inner.solver=proximal";
  const char* implicit = "outer.gradient=implicit";
  expect_refused("there is nothing to differentiate", {proximal});
  expect_refused("use inner.solver=proximal", {implicit});
  expect_refused("use inner.solver=proximal", {"outer.gradient=forward_difference"});
  expect_refused("expected a number > 0, found 0", {proximal, implicit, "inner.lambda=0"});
  expect_refused("use inner.adapt=all", {proximal, implicit, "inner.adapt=head"});
  expect_refused("model.context=0", {proximal, implicit, "model.context=5"});
  expect_refused("are constants already", {proximal, implicit, "inner.order=first"});
  expect_refused("nothing to recompute", {proximal, implicit, "inner.recompute=true"});
  expect_refused("reverse recursion", {"inner.hvp=difference", "inner.order=first"});
  expect_refused("reverse recursion", {"inner.hvp=difference", "inner.adapt=head"});
  expect_refused("expected a number > 0, found 0",
                 {proximal, "outer.gradient=symmetric_difference", "outer.difference=0"});
  expect_refused("has no Hessian-vector products",
                 {proximal, "outer.gradient=symmetric_difference", "inner.hvp=difference"});
  Config config;
  for (const char* setting : {proximal, implicit, "inner.hvp=difference"})
    set_config(config, setting);
  EXPECT_NO_THROW(check_config(config));
}

}  // namespace
}  // namespace metatape
