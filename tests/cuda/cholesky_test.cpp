#include "kernels/cholesky/cholesky.h"

#include <limits>

#include "tests/cuda/cuda_case.h"

namespace metatape::cuda_tests {
namespace {

using kernels::MatrixStatus;
using CudaCholesky = CudaTest;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Around the registers of a warp, the strips of 32 columns and the 128 rows of a strip.
constexpr std::int64_t kExtents[] = {1, 2, 5, 31, 32, 33, 100, 127, 128, 129, 200};

/// Not symmetric, but the symmetric part is positive definite: n + 1 on the diagonal, and at most 1
/// elsewhere.
std::vector<float> positive_definite(std::int64_t batch, std::int64_t n) {
  std::vector<float> a = random_values(std::size_t(batch * n * n), 1);
  for (std::int64_t i = 0; i < batch * n; ++i) a[i * n + i % n] = float(n + 1);
  return a;
}

template <class T>
struct Result {
  std::vector<T> l;
  std::vector<MatrixStatus> status;
};

template <class T>
Result<T> on_cpu(const std::vector<T>& a, std::int64_t n, int tries) {
  const std::size_t batch = a.size() / std::size_t(n * n);
  Result<T> result{std::vector<T>(a.size()), std::vector<MatrixStatus>(batch)};
  kernels::cholesky<T>({.batch = std::int64_t(batch),
                        .n = n,
                        .jitter_tries = tries,
                        .a = a.data(),
                        .l = result.l.data(),
                        .status = result.status.data()},
                       kernels::CpuContext{});
  return result;
}

Result<float> on_device(const std::vector<float>& a, std::int64_t n, int tries) {
  const std::size_t batch = a.size() / std::size_t(n * n);
  const DeviceArray<float> device_a(a);
  std::vector<MatrixStatus> status;
  const auto l = run_repeatedly([&](const kernels::CudaContext& context) {
    const DeviceArray<float> l(a.size());
    const DeviceArray<MatrixStatus> device_status(batch);
    kernels::cholesky<float>({.batch = std::int64_t(batch),
                              .n = n,
                              .jitter_tries = tries,
                              .a = device_a,
                              .l = l,
                              .status = device_status},
                             context);
    status = device_status.read();
    return l.read();
  });
  return {l, status};
}

/// What stopped the first try is a sum of n rounded terms; everything else is the same.
void expect_same(const MatrixStatus& found, const MatrixStatus& expected, double diagonal) {
  EXPECT_EQ(found.failed_column, expected.failed_column);
  EXPECT_EQ(found.first_column, expected.first_column);
  EXPECT_EQ(found.jitter_tries, expected.jitter_tries);
  EXPECT_EQ(found.jitter, expected.jitter);
  if (std::isnan(expected.pivot))
    EXPECT_TRUE(std::isnan(found.pivot)) << found.pivot;
  else
    EXPECT_NEAR(found.pivot, expected.pivot,
                tolerance::kSingleValue * std::max(diagonal, std::abs(expected.pivot)));
}

/// |l l' - (a + a') / 2 - jitter I| to rounding, and zeros above the diagonal of l.
void expect_factor(const float* a, const float* l, std::int64_t n, double jitter) {
  double largest = 0, error = 0;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double product = 0;
      for (std::int64_t k = 0; k < n; ++k) product += double(l[i * n + k]) * double(l[j * n + k]);
      const double element = (double(a[i * n + j]) + double(a[j * n + i])) / 2;
      largest = std::max(largest, std::abs(element));
      error = std::max(error, std::abs(product - element - (i == j ? jitter : 0)));
      ASSERT_TRUE(std::isfinite(product));
      if (j > i) {
        ASSERT_EQ(l[i * n + j], 0.0f) << i << ", " << j;
      }
    }
  ASSERT_GT(largest, 0);
  EXPECT_LE(error, tolerance::kernel<float>(n) * largest);
}

TEST_F(CudaCholesky, AgreesWithTheCpu) {
  for (const std::int64_t n : kExtents) {
    SCOPED_TRACE(testing::Message() << "n = " << n);
    const std::int64_t batch = n < 100 ? 6 : 2;
    const std::vector<float> a = positive_definite(batch, n);
    const Result<float> found = on_device(a, n, 3);
    expect_near(found.l, on_cpu(to_double(a), n, 3).l, tolerance::kernel<float>(n));
    for (const MatrixStatus& s : found.status) expect_same(s, MatrixStatus{}, 0);
    for (std::int64_t i = 0; i < batch * n; ++i)
      for (std::int64_t j = i % n + 1; j < n; ++j) ASSERT_EQ(found.l[i * n + j], 0.0f);
  }
}

/// A batch in which one matrix is good and each other one is bad in its own way.
struct Hospital {
  std::vector<float> a;
  std::vector<const char*> cases;
};

Hospital bad_matrices(std::int64_t n) {
  Hospital h;
  const std::vector<float> good = positive_definite(1, n);
  const std::size_t last = good.size() - 1;
  const auto add = [&](const char* name, std::vector<float> a) {
    h.a.insert(h.a.end(), a.begin(), a.end());
    h.cases.push_back(name);
  };
  const auto with = [&](std::size_t element, float value) {
    std::vector<float> a = good;
    a[element] = value;
    return a;
  };
  std::vector<float> identity(good.size(), 0.0f);
  for (std::int64_t i = 0; i < n; ++i) identity[i * (n + 1)] = 1;
  std::vector<float> slightly_indefinite = identity, equal_rows = identity;
  slightly_indefinite[last] = -2e-5f;
  if (n > 1) equal_rows[n / 2 * n + n / 2 - 1] = equal_rows[(n / 2 - 1) * n + n / 2] = 1;
  add("good", good);
  add("two equal rows", equal_rows);
  add("a negative pivot in the first column", with(0, -1));
  add("a negative pivot in the middle", with(std::size_t(n / 2 * (n + 1)), float(-n)));
  add("a negative pivot in the last column", with(last, float(-n)));
  add("needs the largest jitter", slightly_indefinite);
  add("zero", std::vector<float>(good.size(), 0.0f));
  add("negative definite", with(last, float(-2 * n * n - 2)));
  add("NaN on the diagonal", with(last, kNan));
  add("NaN above the diagonal", with(std::size_t(n - 1), kNan));
  add("infinite", with(last, kInfinity));
  add("good again", good);
  return h;
}

TEST_F(CudaCholesky, EndsAsOnTheCpuForEachBadMatrix) {
  for (const std::int64_t n : {1, 2, 5, 32, 33, 129})
    for (const int tries : {0, 3}) {
      const Hospital h = bad_matrices(n);
      const Result<float> found = on_device(h.a, n, tries), expected = on_cpu(h.a, n, tries);
      ASSERT_EQ(found.status.size(), h.cases.size());
      for (std::size_t i = 0; i < h.cases.size(); ++i) {
        SCOPED_TRACE(testing::Message() << h.cases[i] << ", n = " << n << ", tries " << tries);
        const float* l = found.l.data() + i * std::size_t(n * n);
        expect_same(found.status[i], expected.status[i], double(n + 1));
        if (expected.status[i].failed_column)
          for (std::int64_t k = 0; k < n * n; ++k) ASSERT_TRUE(std::isnan(l[k])) << k;
        else
          expect_factor(h.a.data() + i * std::size_t(n * n), l, n, expected.status[i].jitter);
      }
    }
}

// The bad matrices must be as bad as they are called, or the test above compares nothing.
TEST_F(CudaCholesky, TheBadMatricesNeedEveryTry) {
  for (const std::int64_t n : {2, 33, 200}) {
    const Hospital h = bad_matrices(n);
    const std::vector<MatrixStatus> status = on_cpu(h.a, n, 3).status;
    EXPECT_EQ(status[0].first_column, 0);
    EXPECT_EQ(status[1].first_column, n / 2 + 1);
    EXPECT_EQ(status[1].failed_column, 0);
    EXPECT_EQ(status[1].jitter_tries, 1);
    EXPECT_EQ(status[3].first_column, n / 2 + 1);
    EXPECT_EQ(status[4].failed_column, n);
    EXPECT_EQ(status[5].jitter_tries, 3);
    EXPECT_EQ(status[5].failed_column, 0);
    EXPECT_EQ(status[6].jitter_tries, 0);
    EXPECT_TRUE(std::isnan(status[9].pivot));
  }
}

TEST_F(CudaCholesky, OneBadMatrixDoesNotTouchTheOthers) {
  for (const std::int64_t n : {5, 40}) {
    const Hospital h = bad_matrices(n);
    const std::size_t size = std::size_t(n * n), last = h.a.size() - size;
    const Result<float> alone = on_device({h.a.begin(), h.a.begin() + long(size)}, n, 3);
    const Result<float> found = on_device(h.a, n, 3);
    for (std::size_t k = 0; k < size; ++k) {
      ASSERT_EQ(found.l[k], alone.l[k]);
      ASSERT_EQ(found.l[last + k], alone.l[k]);
    }
  }
}

}  // namespace
}  // namespace metatape::cuda_tests
