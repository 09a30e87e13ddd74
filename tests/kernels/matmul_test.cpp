#include "kernels/matmul/matmul.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tests/support/tolerance.h"

namespace metatape::kernels {
namespace {

struct Shape {
  std::int64_t batch, m, n, k;
};

constexpr Shape kShapes[] = {
    {1, 1, 1, 1},      // one product
    {3, 1, 7, 5},      // rows
    {3, 7, 1, 5},      // columns
    {5, 2, 3, 1},      // outer products
    {4, 13, 17, 11},   // primes
    {2, 64, 65, 63},   // around the vector width
    {1, 1021, 31, 7},  // several row blocks
    {3, 259, 37, 53},  // several row blocks in each matrix
    {70, 5, 64, 64},   // many small matrices
    {2, 5, 3, 1500},   // a long sum
};

template <class T>
std::vector<T> random_values(std::int64_t size, unsigned seed) {
  std::mt19937 bits(seed);
  std::uniform_real_distribution<T> uniform(-1, 1);
  std::vector<T> values(size);
  for (T& value : values) value = uniform(bits);
  return values;
}

template <class T>
struct Operands {
  std::vector<T> a, b;
};

/// Calls visit(args without c, operands) for the four transpositions and the four ways to share.
template <class T, class Visit>
void for_each_variant(const Shape& shape, Visit visit) {
  const auto [batch, m, n, k] = shape;
  for (int variant = 0; variant < 16; ++variant) {
    const bool a_per_task = variant & 4, b_per_task = variant & 8;
    const Operands<T> operands{random_values<T>(a_per_task ? batch * m * k : m * k, 1),
                               random_values<T>(b_per_task ? batch * k * n : k * n, 2)};
    SCOPED_TRACE(testing::Message() << "batch " << batch << " m " << m << " n " << n << " k " << k
                                    << " variant " << variant);
    visit(MatmulArgs<T>{.batch = batch,
                        .m = m,
                        .n = n,
                        .k = k,
                        .transpose_a = bool(variant & 1),
                        .transpose_b = bool(variant & 2),
                        .a_stride = a_per_task ? m * k : 0,
                        .b_stride = b_per_task ? k * n : 0,
                        .a = operands.a.data(),
                        .b = operands.b.data(),
                        .c = nullptr});
  }
}

/// The output has exactly its size and starts as NaN.
template <class T>
std::vector<T> multiply(MatmulArgs<T> args, int threads) {
  std::vector<T> c(args.batch * args.m * args.n, std::numeric_limits<T>::quiet_NaN());
  args.c = c.data();
  matmul(args, {threads});
  return c;
}

template <class T>
std::vector<double> reference(const MatmulArgs<T>& args) {
  std::vector<double> c;
  for (std::int64_t i = 0; i < args.batch; ++i) {
    const T* a = args.a + i * args.a_stride;
    const T* b = args.b + i * args.b_stride;
    for (std::int64_t row = 0; row < args.m; ++row) {
      for (std::int64_t column = 0; column < args.n; ++column) {
        double sum = 0;
        for (std::int64_t j = 0; j < args.k; ++j) {
          sum += double(a[args.transpose_a ? j * args.m + row : row * args.k + j]) *
                 double(b[args.transpose_b ? column * args.k + j : j * args.n + column]);
        }
        c.push_back(sum);
      }
    }
  }
  return c;
}

template <class T>
void expect_matches_its_definition(const Shape& shape) {
  for_each_variant<T>(shape, [](const MatmulArgs<T>& args) {
    const std::vector<double> expected = reference(args);
    double largest = 0;
    for (double value : expected) largest = std::max(largest, std::abs(value));
    ASSERT_GT(largest, 0);
    ASSERT_TRUE(std::isfinite(largest));
    const std::vector<T> found = multiply(args, 2);
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_NEAR(found[i], expected[i], tolerance::kernel<T>(args.k) * largest) << "element " << i;
    }
  });
}

TEST(Matmul, MatchesItsDefinition) {
  for (const Shape& shape : kShapes) {
    expect_matches_its_definition<float>(shape);
    expect_matches_its_definition<double>(shape);
  }
}

TEST(Matmul, AnEmptySumIsZero) {
  for_each_variant<float>({3, 5, 7, 0}, [](const MatmulArgs<float>& args) {
    EXPECT_EQ(multiply(args, 2), std::vector<float>(3 * 5 * 7, 0.0f));
  });
}

TEST(Matmul, AnyNumberOfThreadsGivesTheSameBits) {
  for (const Shape& shape : kShapes) {
    for_each_variant<float>(shape, [](const MatmulArgs<float>& args) {
      const std::vector<float> one = multiply(args, 1);
      for (const int threads : {2, 5}) {
        const std::vector<float> several = multiply(args, threads);
        EXPECT_EQ(std::memcmp(one.data(), several.data(), one.size() * sizeof(float)), 0);
      }
    });
  }
}

}  // namespace
}  // namespace metatape::kernels
