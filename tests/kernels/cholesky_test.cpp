#include "kernels/cholesky/cholesky.h"

#include <cmath>
#include <limits>

#include "tests/support/reference.h"
#include "tests/support/tolerance.h"

namespace metatape::kernels {
namespace {

using reference::random_values;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Not symmetric, but the symmetric part is positive definite: n + 1 on the diagonal, and at most 1
/// elsewhere.
template <class T>
std::vector<T> random_matrices(std::int64_t batch, std::int64_t n) {
  reference::Random random(7);
  std::vector<T> a = random_values<T>(batch * n * n, random, -1, 1);
  for (std::int64_t i = 0; i < batch * n; ++i) a[i * n + i % n] = T(n + 1);
  return a;
}

template <class T>
struct Result {
  std::vector<T> l;
  std::vector<MatrixStatus> status;
};

/// Results have exactly their size; factors start as NaN and records as nonsense.
template <class T>
Result<T> factors(const std::vector<T>& a, std::int64_t n, int threads = 1, int tries = 3) {
  const std::int64_t batch = std::int64_t(a.size()) / (n * n);
  const MatrixStatus nonsense{-1, -1, -1, kNan, kNan};
  Result<T> result{std::vector<T>(a.size(), T(kNan)), std::vector(batch, nonsense)};
  cholesky<T>({.batch = batch,
               .n = n,
               .jitter_tries = tries,
               .a = a.data(),
               .l = result.l.data(),
               .status = result.status.data()},
              {threads});
  return result;
}

/// Row by row, in double.
template <class T>
std::vector<double> reference_factors(const std::vector<T>& a, std::int64_t n) {
  std::vector<double> l(a.size(), 0.0);
  for (std::size_t matrix = 0; matrix < a.size(); matrix += n * n)
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j <= i; ++j) {
        double rest = (double(a[matrix + i * n + j]) + double(a[matrix + j * n + i])) / 2;
        for (std::int64_t k = 0; k < j; ++k) rest -= l[matrix + i * n + k] * l[matrix + j * n + k];
        l[matrix + i * n + j] = i == j ? std::sqrt(rest) : rest / l[matrix + j * n + j];
      }
  return l;
}

template <class T>
void expect_matches_its_definition(std::int64_t batch, std::int64_t n) {
  SCOPED_TRACE(testing::Message() << batch << " matrices, n = " << n);
  const std::vector<T> a = random_matrices<T>(batch, n);
  const Result<T> found = factors(a, n);
  const std::vector<double> expected = reference_factors(a, n);
  const double largest = std::sqrt(double(n) + 1);  // of the diagonal of the first column
  reference::expect_close(found.l, expected, tolerance::kernel<T>(n),
                          std::vector<double>(expected.size(), largest));
  for (const MatrixStatus& s : found.status) {
    EXPECT_EQ(s.failed_column, 0);
    EXPECT_EQ(s.first_column, 0);
    EXPECT_EQ(s.jitter_tries, 0);
    EXPECT_EQ(s.jitter, 0);
  }
  for (std::int64_t i = 0; i < batch * n; ++i)
    for (std::int64_t j = i % n + 1; j < n; ++j) ASSERT_EQ(found.l[i * n + j], T(0));
}

TEST(Cholesky, MatchesItsDefinitionAroundTheBlockSize) {
  for (const std::int64_t n : {1, 2, 5, 31, 63, 64, 65, 127, 129, 200}) {
    expect_matches_its_definition<float>(n < 100 ? 3 : 1, n);
    expect_matches_its_definition<double>(n < 100 ? 3 : 1, n);
  }
}

TEST(Cholesky, AnyNumberOfThreadsGivesTheSameBits) {
  for (const std::int64_t n : {7, 70}) {
    const std::vector<float> a = random_matrices<float>(32 * 100 / n, n);
    const Result<float> one = factors(a, n);
    for (const int threads : {2, 5})
      EXPECT_TRUE(reference::same_bits(one.l, factors(a, n, threads).l)) << n;
  }
}

TEST(Cholesky, OneBadMemberDoesNotTouchTheOthers) {
  constexpr std::int64_t kN = 66, kBad = 1;
  const std::vector<double> good = random_matrices<double>(3, kN);
  std::vector<double> a = good;
  for (std::int64_t i = 0; i < kN * kN; ++i) a[kBad * kN * kN + i] = 1;  // of rank one
  const Result<double> expected = factors(good, kN), found = factors(a, kN);
  for (const std::int64_t matrix : {0, 2}) {
    EXPECT_EQ(found.status[matrix].jitter_tries, 0);
    for (std::int64_t i = matrix * kN * kN; i < (matrix + 1) * kN * kN; ++i)
      ASSERT_EQ(found.l[i], expected.l[i]);
  }
  const MatrixStatus& bad = found.status[kBad];
  EXPECT_EQ(bad.failed_column, 0);
  EXPECT_EQ(bad.first_column, 2);
  EXPECT_EQ(bad.jitter_tries, 1);
  EXPECT_EQ(bad.jitter, 1e-8);
  EXPECT_EQ(bad.pivot, 0);
}

TEST(Cholesky, RaisesTheDiagonalTenfoldUntilItSucceeds) {
  // The jitters are 0.5e-8, 0.5e-7 and 0.5e-6; the first two leave the last pivot negative.
  const std::vector<double> a{1, 0, 0, -2e-7};
  const Result<double> found = factors(a, 2);
  const MatrixStatus& s = found.status[0];
  const double jitter = 1e-6 * (1 - 2e-7) / 2;
  EXPECT_EQ(s.failed_column, 0);
  EXPECT_EQ(s.first_column, 2);
  EXPECT_EQ(s.jitter_tries, 3);
  EXPECT_DOUBLE_EQ(s.jitter, jitter);
  EXPECT_EQ(s.pivot, -2e-7);
  EXPECT_DOUBLE_EQ(found.l[3], std::sqrt(jitter - 2e-7));
}

// 2 - (2 / sqrt 2)^2 is 4e-16 in double.
TEST(Cholesky, DoesNotTakeRoundingForAPivot) {
  const Result<double> found = factors<double>({2, 2, 2, 2}, 2);
  EXPECT_GT(found.status[0].pivot, 0);
  EXPECT_EQ(found.status[0].first_column, 2);
  EXPECT_EQ(found.status[0].jitter_tries, 1);
  EXPECT_EQ(found.status[0].failed_column, 0);
}

TEST(Cholesky, TriesAsOftenAsItIsAllowed) {
  const std::vector<double> rank_one{1, 1, 1, 1};
  EXPECT_EQ(factors(rank_one, 2, 1, 0).status[0].failed_column, 2);
  EXPECT_EQ(factors(rank_one, 2, 1, 0).status[0].jitter_tries, 0);
  EXPECT_EQ(factors(rank_one, 2, 1, 1).status[0].failed_column, 0);
}

template <class T>
void expect_failure(const std::vector<T>& a, std::int64_t n, int column, double pivot, int tries) {
  const Result<T> found = factors(a, n);
  const MatrixStatus& s = found.status[0];
  EXPECT_NE(s.failed_column, 0);
  EXPECT_EQ(s.first_column, column);
  EXPECT_EQ(s.jitter_tries, tries);
  if (std::isnan(pivot))
    EXPECT_TRUE(std::isnan(s.pivot));
  else
    EXPECT_EQ(s.pivot, pivot);
  for (T x : found.l) EXPECT_TRUE(std::isnan(x));
}

TEST(Cholesky, SaysWhereAndWithWhichPivotItFailed) {
  expect_failure<double>({1, 0, 0, -0.5}, 2, 2, -0.5, 3);
  expect_failure<float>({4, 2, 2, 0.5}, 2, 2, -0.5, 3);
  expect_failure<double>({-1}, 1, 1, -1, 0);  // nothing relative to a negative mean can help
  expect_failure<double>({0}, 1, 1, 0, 0);
  expect_failure<double>({0, 1, 1, 0}, 2, 1, 0, 0);
  std::vector<double> behind_the_first_block = random_matrices<double>(1, 70);
  behind_the_first_block[68 * 70 + 68] = -1000;
  EXPECT_EQ(factors(behind_the_first_block, 70).status[0].first_column, 69);
}

TEST(Cholesky, TellsNanAndInfinityFromAnIndefiniteMatrix) {
  const double infinity = std::numeric_limits<double>::infinity();
  expect_failure<double>({kNan}, 1, 1, kNan, 0);
  expect_failure<double>({infinity}, 1, 1, kNan, 0);
  expect_failure<double>({2, kNan, 0, 2}, 2, 2, kNan, 0);  // above the diagonal counts too
  expect_failure<double>({-1, kNan, kNan, 2}, 2, 1, kNan, 0);
  expect_failure<float>({2, 0, 0, float(infinity)}, 2, 2, kNan, 0);
}

}  // namespace
}  // namespace metatape::kernels
