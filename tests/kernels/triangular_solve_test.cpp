#include "kernels/triangular_solve/triangular_solve.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/reference.h"
#include "tests/support/tolerance.h"

namespace metatape::kernels {
namespace {

struct Extent {
  std::int64_t tasks, matrices, n, k;
};

constexpr Extent kExtents[] = {
    {1, 1, 1, 1},   {3, 1, 1, 7},   {5, 1, 5, 1},   {2, 3, 7, 5},
    {3, 2, 13, 17}, {2, 1, 65, 63}, {1, 1, 200, 3},
};

template <class T>
struct Operands {
  std::vector<T> l, b;
};

/// Rows whose diagonal exceeds the sum of the others, so that the solution is well conditioned.
/// NaN above the diagonal: nothing there may be read.
template <class T>
std::vector<T> random_triangles(std::int64_t batch, std::int64_t n, reference::Random& random) {
  std::vector<T> l = reference::random_values<T>(batch * n * n, random, -1, 1);
  for (std::int64_t row = 0; row < batch * n; ++row) {
    l[row * n + row % n] = T(n + 1);
    for (std::int64_t j = row % n + 1; j < n; ++j)
      l[row * n + j] = std::numeric_limits<T>::quiet_NaN();
  }
  return l;
}

/// Calls visit(args without x) for both transpositions and the four ways to share among tasks.
template <class T, class Visit>
void for_each_variant(const Extent& e, Visit visit) {
  for (int variant = 0; variant < 8; ++variant) {
    reference::Random random(3);
    const bool l_per_task = variant & 2, b_per_task = variant & 4;
    const std::int64_t l_size = e.matrices * e.n * e.n, b_size = e.matrices * e.n * e.k;
    const auto l = random_triangles<T>(e.matrices * (l_per_task ? e.tasks : 1), e.n, random);
    const auto b = reference::random_values<T>(b_size * (b_per_task ? e.tasks : 1), random, -1, 1);
    SCOPED_TRACE(testing::Message() << e.tasks << " tasks, " << e.matrices << " matrices, n " << e.n
                                    << ", k " << e.k << ", variant " << variant);
    visit(TriangularSolveArgs<T>{.tasks = e.tasks,
                                 .matrices = e.matrices,
                                 .n = e.n,
                                 .k = e.k,
                                 .transpose = bool(variant & 1),
                                 .l_task_stride = l_per_task ? l_size : 0,
                                 .b_task_stride = b_per_task ? b_size : 0,
                                 .l = l.data(),
                                 .b = b.data(),
                                 .x = nullptr});
  }
}

/// The result has exactly its size and starts as NaN.
template <class T>
std::vector<T> solve(TriangularSolveArgs<T> args, int threads) {
  std::vector<T> x(args.tasks * args.matrices * args.n * args.k,
                   std::numeric_limits<T>::quiet_NaN());
  args.x = x.data();
  triangular_solve(args, {threads});
  return x;
}

/// Substitution in double, one unknown after the other.
template <class T>
std::vector<double> substitution(const TriangularSolveArgs<T>& args) {
  const std::int64_t n = args.n, k = args.k;
  std::vector<double> all;
  for (std::int64_t piece = 0; piece < args.tasks * args.matrices; ++piece) {
    const std::int64_t task = piece / args.matrices, i = piece % args.matrices;
    const T* l = args.l + task * args.l_task_stride + i * n * n;
    const T* b = args.b + task * args.b_task_stride + i * n * k;
    std::vector<double> x(b, b + n * k);
    for (std::int64_t step = 0; step < n; ++step) {
      const std::int64_t row = args.transpose ? n - 1 - step : step;
      for (std::int64_t before = 0; before < step; ++before) {
        const std::int64_t j = args.transpose ? n - 1 - before : before;
        const double factor = args.transpose ? l[j * n + row] : l[row * n + j];
        for (std::int64_t c = 0; c < k; ++c) x[row * k + c] -= factor * x[j * k + c];
      }
      for (std::int64_t c = 0; c < k; ++c) x[row * k + c] /= double(l[row * n + row]);
    }
    all.insert(all.end(), x.begin(), x.end());
  }
  return all;
}

template <class T>
void expect_matches_its_definition(const Extent& e) {
  for_each_variant<T>(e, [&](const TriangularSolveArgs<T>& args) {
    const std::vector<double> expected = substitution(args);
    double largest = 0;
    for (double value : expected) largest = std::max(largest, std::abs(value));
    reference::expect_close(solve(args, 2), expected, tolerance::kernel<T>(e.n),
                            std::vector<double>(expected.size(), largest));
  });
}

TEST(TriangularSolve, MatchesSubstitution) {
  for (const Extent& e : kExtents) {
    expect_matches_its_definition<float>(e);
    expect_matches_its_definition<double>(e);
  }
}

TEST(TriangularSolve, AnyNumberOfThreadsGivesTheSameBits) {
  for_each_variant<float>({37, 3, 13, 29}, [](const TriangularSolveArgs<float>& args) {
    const std::vector<float> one = solve(args, 1);
    for (const int threads : {2, 5}) EXPECT_TRUE(reference::same_bits(one, solve(args, threads)));
  });
}

TEST(TriangularSolve, WithoutRightHandSidesThereIsNothingToDo) {
  for_each_variant<double>({2, 3, 5, 0}, [](const TriangularSolveArgs<double>& args) {
    EXPECT_TRUE(solve(args, 2).empty());
  });
}

}  // namespace
}  // namespace metatape::kernels
