#include "kernels/distances/distances.h"

#include <limits>

#include "tests/support/reference.h"
#include "tests/support/tolerance.h"

namespace metatape::kernels {
namespace {

struct Extent {
  std::int64_t tasks, matrices, n, m, d;
};

/// Around the rows of a piece, the pairs of a block and the terms of a partial sum.
constexpr Extent kExtents[] = {
    {1, 1, 1, 1, 1},   {3, 1, 2, 5, 3},     {2, 3, 7, 8, 13},    {1, 1, 33, 17, 127},
    {2, 2, 31, 9, 64}, {1, 1, 32, 16, 128}, {1, 1, 70, 35, 300}, {2, 1, 5, 3, 1601},
};

/// Calls visit(args without the result) for the four ways to share among tasks.
template <class T, class Visit>
void for_each_variant(const Extent& e, Visit visit) {
  for (int variant = 0; variant < 4; ++variant) {
    reference::Random random(3);
    const bool x_per_task = variant & 1, y_per_task = variant & 2;
    const std::int64_t x_size = e.matrices * e.n * e.d, y_size = e.matrices * e.m * e.d;
    const auto x = reference::random_values<T>(x_size * (x_per_task ? e.tasks : 1), random);
    const auto y = reference::random_values<T>(y_size * (y_per_task ? e.tasks : 1), random);
    SCOPED_TRACE(testing::Message() << e.tasks << " tasks, " << e.matrices << " matrices, n " << e.n
                                    << ", m " << e.m << ", d " << e.d << ", variant " << variant);
    visit(SquaredDistancesArgs<T>{.tasks = e.tasks,
                                  .matrices = e.matrices,
                                  .n = e.n,
                                  .m = e.m,
                                  .d = e.d,
                                  .x_task_stride = x_per_task ? x_size : 0,
                                  .y_task_stride = y_per_task ? y_size : 0,
                                  .x = x.data(),
                                  .y = y.data(),
                                  .distances = nullptr});
  }
}

/// The result has exactly its size and starts as NaN.
template <class T>
std::vector<T> distances(SquaredDistancesArgs<T> args, int threads) {
  std::vector<T> result(std::size_t(args.tasks * args.matrices * args.n * args.m),
                        std::numeric_limits<T>::quiet_NaN());
  args.distances = result.data();
  squared_distances(args, CpuContext{threads});
  return result;
}

template <class T>
std::vector<double> reference_distances(const SquaredDistancesArgs<T>& args) {
  std::vector<double> result;
  for (std::int64_t piece = 0; piece < args.tasks * args.matrices; ++piece) {
    const std::int64_t task = piece / args.matrices, matrix = piece % args.matrices;
    const T* x = args.x + task * args.x_task_stride + matrix * args.n * args.d;
    const T* y = args.y + task * args.y_task_stride + matrix * args.m * args.d;
    for (std::int64_t i = 0; i < args.n; ++i)
      for (std::int64_t j = 0; j < args.m; ++j) {
        double sum = 0;
        for (std::int64_t k = 0; k < args.d; ++k)
          sum += std::pow(double(x[i * args.d + k]) - double(y[j * args.d + k]), 2);
        result.push_back(sum);
      }
  }
  return result;
}

template <class T>
void expect_matches_its_definition(const Extent& e) {
  for_each_variant<T>(e, [&](const SquaredDistancesArgs<T>& args) {
    const std::vector<double> expected = reference_distances(args);
    reference::expect_close(distances(args, 2), expected, tolerance::kernel<T>(e.d), expected);
  });
}

TEST(SquaredDistances, MatchTheirDefinitionEachToItsOwnSize) {
  for (const Extent& e : kExtents) {
    expect_matches_its_definition<float>(e);
    expect_matches_its_definition<double>(e);
  }
}

TEST(SquaredDistances, ExchangedOperandsTransposeThemToTheBit) {
  for (const Extent& e : kExtents)
    for_each_variant<float>(e, [&](SquaredDistancesArgs<float> args) {
      const std::vector<float> there = distances(args, 1);
      std::swap(args.x, args.y);
      std::swap(args.n, args.m);
      std::swap(args.x_task_stride, args.y_task_stride);
      const std::vector<float> back = distances(args, 1);
      for (std::int64_t piece = 0; piece < e.tasks * e.matrices; ++piece)
        for (std::int64_t i = 0; i < e.n; ++i)
          for (std::int64_t j = 0; j < e.m; ++j)
            ASSERT_EQ(there[(piece * e.n + i) * e.m + j], back[(piece * e.m + j) * e.n + i]);
    });
}

TEST(SquaredDistances, OfEqualRowsAreExactlyZero) {
  for (const std::int64_t n : {1, 33, 70}) {
    reference::Random random(5);
    const std::int64_t d = 131;
    const auto x = reference::random_values<float>(n * d, random);
    const std::vector<float> y(x.begin(), x.end());
    const auto found =
        distances(SquaredDistancesArgs<float>{1, 1, n, n, d, 0, 0, x.data(), y.data(), nullptr}, 1);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j) ASSERT_EQ(found[i * n + j] == 0, i == j);
  }
}

TEST(SquaredDistances, AnEmptySumIsZero) {
  for_each_variant<float>({2, 1, 3, 5, 0}, [](const SquaredDistancesArgs<float>& args) {
    EXPECT_EQ(distances(args, 2), std::vector<float>(2 * 3 * 5, 0.0f));
  });
}

TEST(SquaredDistances, AnyNumberOfThreadsGivesTheSameBits) {
  for_each_variant<float>({5, 3, 70, 29, 64}, [](const SquaredDistancesArgs<float>& args) {
    const std::vector<float> one = distances(args, 1);
    for (const int threads : {2, 5})
      EXPECT_TRUE(reference::same_bits(one, distances(args, threads)));
  });
}

}  // namespace
}  // namespace metatape::kernels
