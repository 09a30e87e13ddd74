#include "meta/outer/finite_difference.h"

#include <gtest/gtest.h>

#include <utility>

#include "meta/combine/combination.h"
#include "meta/outer/implicit.h"
#include "meta/outer/query_loss.h"
#include "tests/meta/small_problem.h"
#include "tests/support/compare.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Values = std::vector<double>;

constexpr ProximalOptions kProximal{.lambda = 4, .lr = 0.15};

Values gradient_of(SmallProblem& p, std::shared_ptr<const MetaGradient> meta_gradient,
                   std::int64_t steps) {
  const Method method{.adaptation = make_proximal(kProximal),
                      .query_loss = make_last_step_loss(),
                      .regularizers = {},
                      .meta_gradient = std::move(meta_gradient),
                      .combination = make_mean(),
                      .steps = steps,
                      .test_steps = steps};
  return p.run(record_meta_step(method, p.batch()).task_gradient);
}

Values by_difference(SmallProblem& p, double nu, bool symmetric, std::int64_t steps) {
  return gradient_of(
      p, make_finite_difference({.proximal = kProximal, .nu = nu, .symmetric = symmetric}), steps);
}

/// Gradient steps on the perturbed problem, written out.
ParamSet perturbed_solution(SmallProblem& p, double nu, std::int64_t steps) {
  const ParamSet theta = p.own_batch().theta;
  ParamSet phi = theta;
  for (std::int64_t k = 0; k < steps; ++k) {
    const Var loss = p.support_loss(phi) + nu * p.query_loss(phi) +
                     (kProximal.lambda / 2) * dot(phi - theta, phi - theta);
    phi = p.numbers(phi - kProximal.lr * grad(loss, phi));
  }
  return phi;
}

TEST(FiniteDifference, IsThatOfPerturbedSolutions) {
  SmallRegression p;
  constexpr double kNu = 0.05;
  const ParamSet below = perturbed_solution(p, -kNu, 3), middle = perturbed_solution(p, 0, 3),
                 above = perturbed_solution(p, kNu, 3);
  expect_all_near(by_difference(p, kNu, false, 3),
                  p.run((kProximal.lambda / kNu) * (middle - above)), tolerance::kExactForms,
                  "forward");
  expect_all_near(by_difference(p, kNu, true, 3),
                  p.run((kProximal.lambda / (2 * kNu)) * (below - above)), tolerance::kExactForms,
                  "symmetric");
}

TEST(FiniteDifference, DoesSoWithBatchNorm) {
  SmallImages p;
  constexpr double kNu = 0.05;
  expect_all_near(by_difference(p, kNu, true, 2),
                  p.run((kProximal.lambda / (2 * kNu)) *
                        (perturbed_solution(p, -kNu, 2) - perturbed_solution(p, kNu, 2))),
                  tolerance::kExactForms, "symmetric");
}

double distance(const Values& a, const Values& b) {
  double square = 0;
  for (std::size_t i = 0; i < a.size(); ++i) square += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(square);
}

TEST(FiniteDifference, ConvergesToTheImplicitGradientByItsOrder) {
  constexpr std::int64_t kConverged = 40;  // the distance shrinks by 0.4 a step
  SmallRegression p;
  const Values exact =
      gradient_of(p, make_implicit({.lambda = kProximal.lambda, .cg_steps = 20}), kConverged);
  for (const bool symmetric : {false, true}) {
    const double coarse = distance(by_difference(p, 0.02, symmetric, kConverged), exact);
    const double fine = distance(by_difference(p, 0.01, symmetric, kConverged), exact);
    ASSERT_GT(fine, 0);
    EXPECT_NEAR(std::log2(coarse / fine), symmetric ? 2 : 1, tolerance::kConvergenceOrder);
  }
}

}  // namespace
}  // namespace metatape
