#include "kernels/tril/tril.h"

#include <limits>

#include "tests/support/reference.h"

namespace metatape::kernels {
namespace {

template <class T>
void expect_lower_triangle(std::int64_t batch, std::int64_t n, bool in_place, int threads) {
  SCOPED_TRACE(testing::Message() << batch << " x " << n << (in_place ? " in place" : ""));
  reference::Random random(5);
  const std::vector<T> x = reference::random_values<T>(batch * n * n, random, 1, 2);
  std::vector<T> y = in_place ? x : std::vector<T>(x.size(), std::numeric_limits<T>::quiet_NaN());
  tril<T>({.batch = batch,
           .n = n,
           .diagonal_scale = 3,
           .x = in_place ? y.data() : x.data(),
           .y = y.data()},
          {threads});
  for (std::int64_t row = 0; row < batch * n; ++row)
    for (std::int64_t j = 0; j < n; ++j) {
      const T element = x[row * n + j];
      const std::int64_t i = row % n;
      ASSERT_EQ(y[row * n + j], j < i ? element : j == i ? 3 * element : T(0)) << i << ", " << j;
    }
}

TEST(Tril, KeepsTheLowerTriangleAndScalesTheDiagonal) {
  for (const bool in_place : {false, true})
    for (const std::int64_t n : {1, 2, 7, 31}) {
      expect_lower_triangle<float>(5, n, in_place, 1);
      expect_lower_triangle<double>(1, n, in_place, 1);
      expect_lower_triangle<float>(97, n, in_place, 2);
    }
}

}  // namespace
}  // namespace metatape::kernels
