#include "engine/status.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/autodiff.h"
#include "tests/support/expect_error.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// A program that keeps its executor, so that it can be fed and run again.
struct Runner {
  Program program;
  CpuExecutor executor;

  Runner(Sandbox& s, std::vector<Var> fetch)
      : program(compile(s.tape, {.fetch = std::move(fetch), .target = {.threads = 2}})),
        executor(program, s.store) {}
};

std::vector<std::string> warnings_of(Sandbox& s, Var result) {
  Runner r(s, {result});
  r.executor.run();
  return r.executor.warnings();
}

TEST(Status, GoodMatricesGiveNoWarning) {
  Sandbox s;
  EXPECT_TRUE(warnings_of(s, cholesky(s.value({1, 1}, {4}))).empty());
  EXPECT_EQ(s.run(cholesky(s.value({1, 1}, {4}))), Elements{2});
}

TEST(Status, DuplicatedPointsGetAWarningWithTheJitter) {
  Sandbox s;
  const Var x = s.value({3, 2}, {1, 2, -1, 0, 1, 2});
  const Var l = cholesky(rbf_gram(x, x, 0.5));
  for (double value : s.run(l)) EXPECT_TRUE(std::isfinite(value));
  const auto warnings = warnings_of(s, l);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("[cholesky] instruction %" + std::to_string(l.id) +
                             ": raised the diagonal of 1 of 1 matrices: task 0 by 1e-08 (pivot 3 "
                             "was "),
            std::string::npos)
      << warnings[0];
  EXPECT_NE(warnings[0].find("status_test.cpp:"), std::string::npos) << warnings[0];
}

TEST(Status, ARankOneMatrixInSinglePrecisionGetsItsOwnJitter) {
  Sandbox s;
  const auto warnings = warnings_of(s, cholesky(s.value({2, 2}, {4, 4, 4, 4}, DType::f32)));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("task 0 by 4e-06 (pivot 2 was 0)"), std::string::npos) << warnings[0];
}

TEST(Status, OneBadTaskIsNamedAndTheOthersAreAsWithoutIt) {
  Sandbox s;
  const Elements good{4, 2, 2, 3}, singular{4, 4, 4, 4};
  Elements batch = good;
  batch.insert(batch.end(), singular.begin(), singular.end());
  batch.insert(batch.end(), good.begin(), good.end());
  const Var l = cholesky(s.value(Shape{2, 2}.with_tasks(3), batch));
  const Elements all = s.run(l), alone = s.run(cholesky(s.value({2, 2}, good)));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(all[i], alone[i]);
    EXPECT_EQ(all[8 + i], alone[i]);
  }
  const auto warnings = warnings_of(s, l);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("1 of 3 matrices: task 1 by 4e-08 (pivot 2 was 0) (recorded"),
            std::string::npos)
      << warnings[0];
}

TEST(Status, AWarningNamesFourMatricesAndCountsAll) {
  Sandbox s;
  const auto warnings =
      warnings_of(s, cholesky(s.value(Shape{3, 2, 2}.with_tasks(2), Elements(24, 1.0))));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("6 of 6 matrices: task 0, matrix 0 by"), std::string::npos);
  EXPECT_NE(warnings[0].find("; task 1, matrix 0 by 1e-08 (pivot 2 was 0); ... (recorded"),
            std::string::npos)
      << warnings[0];
}

TEST(Status, AnIndefiniteMatrixIsNamedWithItsPlaceAndPivot) {
  Sandbox s;
  const Elements good{1, 0, 0, 1}, indefinite{1, 0, 0, -0.5};
  Elements batch = good;
  batch.insert(batch.end(), indefinite.begin(), indefinite.end());
  Var l;
  Loc here;
  {
    const Scope scope(s.tape, "inner/3");
    here = Loc::current(), l = cholesky(s.value(Shape{2, 2}.with_tasks(2), batch));
  }
  Runner r(s, {l});
  const std::string expected =
      "[cholesky] instruction %" + std::to_string(l.id) +
      ", scope inner/3, task 1: the matrix is not numerically positive definite: pivot 2 of 2 is "
      "-0.5, and "
      "2.5e-07 more on the diagonal does not help; add a larger multiple of the identity, or look "
      "for rows that repeat (recorded at " +
      source_line(here) + ")";
  try {
    r.executor.run();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::numerical);
    EXPECT_EQ(exit_code(error.kind), 4);
    EXPECT_EQ(error.instruction, l.id);
    EXPECT_EQ(error.where.line(), here.line());
    EXPECT_EQ(std::string(error.what()), expected);
  }
  EXPECT_NE(r.executor.find_nonfinite().find("= cholesky("), std::string::npos);
}

TEST(Status, FailsAtOnceWhereNoJitterIsAllowedOrNoneCanHelp) {
  Sandbox s;
  auto run = [&](const Shape& shape, const Elements& a, int tries) {
    s.run(cholesky(s.value(shape, a), {.jitter_tries = tries}));
  };
  expect_error(ErrorKind::numerical, "pivot 2 of 2 is 0; add a larger", [&] {
    run({2, 2}, {1, 1, 1, 1}, 0);
  });
  expect_error(ErrorKind::numerical, "pivot 1 of 1 is -1; add a larger", [&] {
    run({1, 1}, {-1}, 3);
  });
  expect_error(ErrorKind::numerical, "pivot 1 of 1 is 0; add a larger", [&] {
    run({1, 1}, {0}, 3);
  });
}

TEST(Status, NanAndInfinityAreNotCalledIndefinite) {
  Sandbox s;
  for (const double bad : {kNan, std::numeric_limits<double>::infinity()}) {
    const Var l = cholesky(s.value({2, 2}, {1, 0, 0, bad}));
    expect_error(ErrorKind::numerical, "task 0: the matrix holds NaN or infinity",
                 [&] { s.run(l); });
  }
}

TEST(Status, SucceedsAgainAfterAFailure) {
  Sandbox s;
  const Var a = s.tape.input("a", {2, 2}, DType::f64);
  Runner r(s, {cholesky(a)});
  auto run = [&](const Elements& elements) {
    r.executor.feed("a", Tensor::of<double>({2, 2}, DType::f64, elements));
    r.executor.run();
  };
  run({1, 1, 1, 1});
  EXPECT_EQ(r.executor.warnings().size(), 1u);
  expect_error(ErrorKind::numerical, "pivot 2 of 2 is -1", [&] { run({1, 0, 0, -1}); });
  run({4, 0, 0, 9});
  EXPECT_TRUE(r.executor.warnings().empty());
  EXPECT_EQ(r.executor.fetch(0).values(), (Elements{2, 0, 0, 3}));
}

TEST(Status, OutlivesAllLaterValuesInTheArena) {
  Sandbox s;
  const Var l = cholesky(s.value({2, 2}, {1, 1, 1, 1}));
  Var y = l;
  for (int k = 0; k < 20; ++k) y = matmul(y, y) + transpose(y);
  Runner r(s, {y});
  const Plan& plan = r.program.plan;
  for (const int status : plan.status_of) {
    if (status < 0) continue;
    const Storage& kept = plan.storages[std::size_t(status)];
    EXPECT_EQ(kept.last, int(r.program.graph.nodes.size()));
    for (const Storage& other : plan.storages)
      EXPECT_TRUE(&other == &kept || other.last < kept.first ||
                  other.offset + other.bytes <= kept.offset ||
                  kept.offset + kept.bytes <= other.offset);
  }
  r.executor.run();
  EXPECT_EQ(r.executor.warnings().size(), 1u);
}

TEST(Jitter, DerivativesAreThoseOfTheMatrixThatHasIt) {
  // The first task needs a jitter of 1e-8 x mean, the second none.
  constexpr double kJitter = 1e-8 * 2;
  Sandbox s;
  const Var a = s.value(Shape{2, 2}.with_tasks(2), {2, 2, 2, 2, 3, 1, 1, 2});
  const Var b = s.value({2, 1}, {1, -0.5});
  const Var v = s.value(Shape{2, 2}.with_tasks(2), {0.5, -1, 0.25, 2, 1, 1, -0.5, 1});
  const Var added = s.value(Shape{2, 2}.with_tasks(2), {kJitter, 0, 0, kJitter, 0, 0, 0, 0});
  auto quantities = [&](Var matrix, CholeskyOptions options) {
    const Var loss = sum(square(solve_positive_definite(matrix, b, options)));
    const Var g = grad(loss, std::vector{a})[0];
    return std::vector{loss, g, hvp(loss, std::vector{a}, std::vector{v})[0]};
  };
  const auto jittered = s.run_all(quantities(a, {}));
  const auto explicit_one = s.run_all(quantities(a + added, {.jitter_tries = 0}));
  for (std::size_t k = 0; k < jittered.size(); ++k) {
    for (double value : jittered[k].values()) ASSERT_TRUE(std::isfinite(value) && value != 0);
    EXPECT_EQ(jittered[k], explicit_one[k]) << "order " << k;
  }
}

}  // namespace
}  // namespace metatape
