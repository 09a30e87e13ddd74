#include <gtest/gtest.h>

#include <cmath>

#include "meta/combine/combination.h"
#include "tests/meta/small_problem.h"
#include "tests/support/compare.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Values = std::vector<double>;

constexpr std::size_t kTasks = 4, kMatrix = 6, kAll = 8;

/// Gradients of two parameters in four tasks; those of one task may be zero.
struct Gradients {
  Sandbox s;
  ParamSet set;
  std::vector<Values> of_task{kTasks, Values(kAll)};

  explicit Gradients(bool one_is_zero = false) {
    Values matrix, bias;
    for (std::size_t t = 0; t < kTasks; ++t)
      for (std::size_t i = 0; i < kAll; ++i) {
        const double g = one_is_zero && t == 2 ? 0 : std::sin(1 + double(t * kAll + i) * 1.7);
        of_task[t][i] = g;
        (i < kMatrix ? matrix : bias).push_back(g);
      }
    set.add("matrix", "body", s.value(Shape{2, 3}.with_tasks(kTasks), matrix));
    set.add("bias", "head", s.value(Shape{2}.with_tasks(kTasks), bias));
  }

  double cosine(std::size_t i, std::size_t j) const {
    double ij = 0, ii = 0, jj = 0;
    for (std::size_t k = 0; k < kAll; ++k) {
      ij += of_task[i][k] * of_task[j][k];
      ii += of_task[i][k] * of_task[i][k];
      jj += of_task[j][k] * of_task[j][k];
    }
    return ii > 0 && jj > 0 ? ij / std::sqrt(ii * jj) : 0;
  }

  /// (1/m) sum_i of each task's changed gradient, by reading A or B.
  Values expected(char reading) const {
    Values mean(kAll);
    for (std::size_t i = 0; i < kTasks; ++i)
      for (std::size_t k = 0; k < kAll; ++k) {
        double change = 0;
        for (std::size_t j = 0; j < kTasks; ++j)
          if (j != i)
            change += cosine(i, j) * (reading == 'A' ? of_task[i][k] : of_task[j][k]) / kTasks;
        mean[k] += (of_task[i][k] + change) / kTasks;
      }
    return mean;
  }

  Values combined(const Combination& c) {
    Values all;
    for (const Tensor& t : s.run_all(c.combine(set).values()))
      for (const double v : t.values()) all.push_back(v);
    return all;
  }
};

TEST(Similarity, IsTheMeanOfReadingsAAndB) {
  Gradients g;
  const Values combined = g.combined(*make_similarity());
  expect_all_near(combined, g.expected('A'), tolerance::kExactForms, "reading A");
  expect_all_near(combined, g.expected('B'), tolerance::kExactForms, "reading B");
  EXPECT_NE(combined, g.combined(*make_mean()));
}

TEST(Similarity, LeavesAZeroGradientZero) {
  Gradients g(true);
  expect_all_near(g.combined(*make_similarity()), g.expected('A'), tolerance::kExactForms,
                  "reading A");
}

TEST(Similarity, OfOneTaskIsItsGradient) {
  Sandbox s;
  ParamSet one;
  one.add("w", "body", s.value(Shape{3}.with_tasks(1), {1, -2, 0.5}));
  expect_all_near(s.run(make_similarity()->combine(one)["w"]), Values{1, -2, 0.5},
                  tolerance::kExactForms, "gradient");
}

TEST(Similarity, OfEqualGradientsIsAlmostTwiceTheirMean) {
  Sandbox s;
  ParamSet equal;
  equal.add("w", "body", s.value(Shape{2}.with_tasks(2), {3, -4, 3, -4}));
  expect_all_near(s.run(make_similarity()->combine(equal)["w"]), Values{4.5, -6},
                  tolerance::kExactForms, "1 + (m - 1) / m = 1.5 times");
}

}  // namespace
}  // namespace metatape
