// Ridge and kernel ridge regression from the catalogue's operations: golden values of a task that
// was solved by hand.

#include <gtest/gtest.h>

#include "tests/support/compare.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

Var regularised(Var gram, double lambda) {
  return gram + diagonal_matrix(fill(*gram.tape, {gram.extent(-1)}, lambda, gram.dtype()));
}

// X = (1, 2), Y = (1, 0), lambda = 0.5: w = X'Y / (X'X + lambda) = 1 / 5.5.
TEST(Ridge, PrimalAndDualGiveTheGoldenWeight) {
  Sandbox s;
  const Var x = s.value({2, 1}, {1, 2}), y = s.value({2, 1}, {1, 0});
  const Elements golden{0.1818182};
  const Var primal = solve_positive_definite(regularised(matmul(x, x, {.transpose_a = true}), 0.5),
                                             matmul(x, y, {.transpose_a = true}));
  const Var alpha =
      solve_positive_definite(regularised(matmul(x, x, {.transpose_b = true}), 0.5), y);
  const Var dual = matmul(x, alpha, {.transpose_a = true});
  expect_all_near(s.run(primal), golden, tolerance::kGolden, "primal", 1);
  expect_all_near(s.run(dual), golden, tolerance::kGolden, "dual", 1);
}

// X = (0, 1), Y = (1, 0), sigma = 1, lambda = 0.1, prediction at 0.25.
TEST(KernelRidge, RbfGivesTheGoldenCoefficientsAndPrediction) {
  Sandbox s;
  const double gamma = 0.5;  // 1 / (2 sigma^2)
  const Var x = s.value({2, 1}, {0, 1}), y = s.value({2, 1}, {1, 0});
  const Var query = s.value({1, 1}, {0.25});
  const Var alpha = solve_positive_definite(regularised(rbf_gram(x, x, gamma), 0.1), y);
  const Var prediction = matmul(rbf_gram(query, x, gamma), alpha);
  expect_all_near(s.run(alpha), Elements{1.3062263, -0.7202420}, tolerance::kGolden, "alpha");
  expect_all_near(s.run(prediction), Elements{0.7223707}, tolerance::kGolden, "f(0.25)", 1);
}

}  // namespace
}  // namespace metatape
