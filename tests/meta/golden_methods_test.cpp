// Methods on L_support = a/2 (w - c)^2, L_query = b/2 (w - d)^2 with a = 2, c = 1, b = 3, d = -1
// and w = 0.5, where every result has a closed form.

#include <gtest/gtest.h>

#include <utility>

#include "meta/adapt/gradient_steps.h"
#include "meta/adapt/proximal.h"
#include "meta/combine/combination.h"
#include "meta/outer/displacement.h"
#include "meta/outer/finite_difference.h"
#include "meta/outer/implicit.h"
#include "meta/outer/meta_gradient.h"
#include "meta/outer/query_loss.h"
#include "meta/regularize/trajectory.h"
#include "tests/meta/small_problem.h"
#include "tests/support/compare.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Values = std::vector<double>;

constexpr double kRate = 0.1, kLambda = 2;
constexpr ProximalOptions kProximal{.lambda = kLambda, .lr = kRate};
constexpr std::int64_t kConverged = 100;  // each step contracts by 1 - 0.1 (2 + 2 + nu b)

struct Golden : SmallParabola {
  Golden() : SmallParabola(0.5, 2, 1, 3, -1) {}

  Values gradient(std::shared_ptr<const Adaptation> adaptation, std::int64_t steps,
                  std::shared_ptr<const MetaGradient> meta_gradient) {
    const Method method{.adaptation = std::move(adaptation),
                        .query_loss = make_last_step_loss(),
                        .regularizers = {},
                        .meta_gradient = std::move(meta_gradient),
                        .combination = make_mean(),
                        .steps = steps,
                        .test_steps = steps};
    return run(make_mean()->combine(record_meta_step(method, batch()).task_gradient));
  }
};

void expect_golden(const Values& actual, double expected, const char* what) {
  expect_all_near(actual, Values{expected}, tolerance::kGolden, what);
}

std::shared_ptr<const Adaptation> gradient_steps(bool exact) {
  return make_gradient_steps({.exact = exact, .lr = kRate});
}

TEST(GoldenMethods, InnerSteps) {
  Golden g;
  const std::vector<ParamSet> phi = gradient_steps(true)->learn(g.own_batch(), 3).trajectory.phi;
  expect_golden(g.run(phi[1]), 0.6, "theta_1");
  expect_golden(g.run(phi[3]), 0.744, "theta_3");
}

TEST(GoldenMethods, Maml) {
  Golden g;
  expect_golden(g.gradient(gradient_steps(true), 1, make_differentiated()), 3.84, "1 step");
  expect_golden(g.gradient(gradient_steps(true), 3, make_differentiated()), 2.678784, "3 steps");
}

TEST(GoldenMethods, MamlByTheReverseRecursion) {
  for (const HessianProduct product :
       {HessianProduct::reverse, HessianProduct::forward, HessianProduct::difference}) {
    Golden g;
    expect_golden(g.gradient(gradient_steps(true), 3, make_reverse_recursion(kRate, product)),
                  2.678784, "3 steps");
  }
}

TEST(GoldenMethods, FirstOrderMaml) {
  Golden g;
  expect_golden(g.gradient(gradient_steps(false), 1, make_differentiated()), 4.8, "1 step");
  expect_golden(g.gradient(gradient_steps(false), 3, make_differentiated()), 5.232, "3 steps");
}

TEST(GoldenMethods, Reptile) {
  Golden g;
  expect_golden(g.gradient(gradient_steps(false), 3, make_displacement()), -2.44 * kRate,
                "theta - theta_3");
}

TEST(GoldenMethods, MetaSgd) {
  Golden g;
  const auto adaptation = make_gradient_steps({.lr = kRate, .rates = Rates::per_element});
  g.theta.add("inner_rate.w", parameter_group::kMethod, g.s.value({1}, {kRate}));
  expect_all_near(g.gradient(adaptation, 1, make_differentiated()), Values{3.84, 4.8},
                  tolerance::kGolden, "theta and rate");
}

/// Phase and amplitude consistency, the length of the way, and where one step of that length ends.
TEST(GoldenMethods, Linearity) {
  Golden g;
  const Trajectory t = gradient_steps(true)->learn(g.own_batch(), 3).trajectory;
  const ParamSet last = grad(g.support_loss(t.phi[3]), t.phi[3]);
  expect_golden(g.s.run(phase_consistency(t)), 1, "phase consistency");
  expect_golden(g.s.run(amplitude_consistency(t, last)), 0.6506667, "amplitude consistency");
  expect_golden(g.s.run(path_length(t)), 0.244, "length");
  expect_golden(g.run(straight_step(t, straight_amplitude(t))), 0.744, "LIL");
  expect_golden(g.run(straight_step(t, g.s.scalar(3 * kRate))), 0.8, "SHOT");
}

/// u = (1 - beta) u_0 + beta phi_1 with the memory u_0 of a task; the meta-gradient is that of
/// L_query at u through phi_1, in the released code through u. Not a preset: its memory needs a
/// fixed set of tasks.
TEST(GoldenMethods, Moml) {
  constexpr double kBeta = 0.3, kMemory = 0.2;
  Golden g;
  const TaskBatch tasks = g.own_batch();
  const ParamSet phi = gradient_steps(true)->learn(tasks, 1).trajectory.phi[1];
  const Var u = kBeta * phi["w"] + (1 - kBeta) * kMemory;
  expect_golden(g.s.run(u), 0.32, "u");
  const ParamSet at = phi.with_values(std::vector{u});
  const ParamSet slope = stop_gradient(grad(g.query_loss(at), at));
  expect_golden(g.run(grad(dot(slope, phi), tasks.theta)), 3.168, "gradient");
  expect_golden(g.run(grad(g.query_loss(at), tasks.theta)), 0.9504, "gradient as coded");
}

TEST(GoldenMethods, ImplicitMaml) {
  Golden g;
  const Trajectory t = proximal_steps(g.own_batch(), kConverged, kProximal);
  expect_golden(g.run(t.phi.back()), 0.75, "phi*");
  expect_golden(g.gradient(make_proximal(kProximal), kConverged,
                           make_implicit({.lambda = kLambda, .cg_steps = 1})),
                2.625, "gradient");
}

TEST(GoldenMethods, FirstOrderBilevelMaml) {
  struct Case {
    double nu;
    bool symmetric;
    double expected;
  };
  // -lambda (w_nu - w_-nu) / (2 nu) and its forward form, w_nu = (a c + nu b d + lambda theta) /
  // (a + nu b + lambda), to all digits.
  constexpr Case kCases[] = {{0.1, false, 10.5 / 4.3},
                             {0.01, false, 10.5 / 4.03},
                             {0.1, true, 42.0 / (16 - 0.09)},
                             {0.01, true, 42.0 / (16 - 0.0009)}};
  for (const Case& c : kCases) {
    Golden g;
    expect_golden(g.gradient(make_proximal(kProximal), kConverged,
                             make_finite_difference(
                                 {.proximal = kProximal, .nu = c.nu, .symmetric = c.symmetric})),
                  c.expected, c.symmetric ? "symmetric" : "forward");
  }
}

/// Of M(x) = min_z L(z) + |z - x|^2 / (2 alpha): grad M(x) = (x - z*) / alpha = grad L(z*).
TEST(GoldenMethods, MoreauEnvelope) {
  constexpr double kAlpha = 0.1;
  Golden g;
  const auto solved = [&](std::int64_t steps, double lr) {
    return proximal_steps(g.own_batch(), steps, {.lambda = 1 / kAlpha, .lr = lr}).phi.back();
  };
  const ParamSet z = solved(kConverged, 0.05);
  expect_golden(g.run(z), 7.0 / 12, "z*");
  expect_golden(g.run((1 / kAlpha) * (g.own_batch().theta - z)), -10.0 / 12, "gradient");
  expect_golden(g.run(grad(g.support_loss(z), z)), -10.0 / 12, "gradient at z*");
  const ParamSet one = solved(1, kAlpha), two = solved(2, kAlpha);
  expect_golden(g.run(grad(g.support_loss(one), one)), -0.8, "FO-MAML");
  expect_golden(g.run(grad(g.support_loss(two), two)), -0.84, "two fixed-point steps");
}

}  // namespace
}  // namespace metatape
