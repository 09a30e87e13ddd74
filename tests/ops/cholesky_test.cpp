#include <gtest/gtest.h>

#include "tests/support/compare.h"
#include "tests/support/expect_rejected.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

TEST(Cholesky, RejectsWhatIsNotSquare) {
  Sandbox s;
  expect_rejected(ErrorKind::shape, "cholesky",
                  "operand 0 is [2,3], expected square matrices [...,n,n]", [&] {
                    cholesky(s.zeros({2, 3}));
                  });
  expect_rejected(ErrorKind::shape, "cholesky", "operand 0 is [2], expected square matrices",
                  [&] { cholesky(s.zeros({2})); });
  expect_rejected(ErrorKind::dtype, "cholesky", "i32", [&] {
    cholesky(s.zeros({2, 2}, DType::i32));
  });
  expect_rejected(ErrorKind::usage, "cholesky", "jitter_tries is -1, expected 0 or more", [&] {
    cholesky(s.zeros({2, 2}), {.jitter_tries = -1});
  });
}

TEST(SolvePositiveDefinite, GivesBackTheRightHandSides) {
  Sandbox s;
  const Var a = s.value(Shape{3, 3}.with_tasks(2),
                        {4, 1, 2, 1, 3, 0, 2, 0, 5, 2, -1, 0, -1, 2, -1, 0, -1, 2});
  const Elements b{1, -2, 3, 0.5, -1, 4};
  const Var x = solve_positive_definite(a, s.value({3, 2}, b));
  Elements twice = b;
  twice.insert(twice.end(), b.begin(), b.end());
  expect_all_near(s.run(matmul(a, x)), twice, tolerance::kExactForms, "a x");
}

TEST(SolveTriangular, RejectsOperandsThatDoNotFit) {
  Sandbox s;
  expect_rejected(ErrorKind::shape, "solve_triangular",
                  "l [2,2] and b [3,1]: expected [...,n,n] and [...,n,k] with equal leading axes",
                  [&] {
                    solve_triangular(s.zeros({2, 2}), s.zeros({3, 1}));
                  });
  expect_rejected(ErrorKind::shape, "solve_triangular", "l [2,2] and b [2]", [&] {
    solve_triangular(s.zeros({2, 2}), s.zeros({2}));
  });
  expect_rejected(ErrorKind::shape, "solve_triangular", "l [5,2,2] and b [3,2,1]", [&] {
    solve_triangular(s.zeros({5, 2, 2}), s.zeros({3, 2, 1}));
  });
  expect_rejected(ErrorKind::shape, "solve_triangular", "operand 0 is [2,3]", [&] {
    solve_triangular(s.zeros({2, 3}), s.zeros({2, 3}));
  });
}

TEST(Diagonal, RejectsWhatHasNone) {
  Sandbox s;
  expect_rejected(ErrorKind::shape, "diagonal", "[2,3]: expected [...,n,n]", [&] {
    diagonal(s.zeros({2, 3}));
  });
  expect_rejected(ErrorKind::shape, "diagonal_matrix", "[]: expected [...,n]",
                  [&] { diagonal_matrix(s.scalar(1)); });
  expect_rejected(ErrorKind::shape, "tril", "operand 0 is [3], expected square matrices",
                  [&] { tril(s.zeros({3})); });
}

TEST(Diagonal, ComesBackFromItsMatrix) {
  Sandbox s;
  const Var d = s.value(Shape{3}.with_tasks(2), {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(s.run(diagonal_matrix(d)),
            (Elements{1, 0, 0, 0, 2, 0, 0, 0, 3, 4, 0, 0, 0, 5, 0, 0, 0, 6}));
  EXPECT_EQ(s.run(diagonal(diagonal_matrix(d))), s.run(d));
}

}  // namespace
}  // namespace metatape
