#include <gtest/gtest.h>

#include "tests/support/moments_reference.h"
#include "tests/support/tolerance.h"

namespace metatape::kernels {
namespace {

using namespace reference;

template <class T>
class Moments : public testing::Test {};
using FloatTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(Moments, FloatTypes);

template <class T>
std::vector<T> moments(const MomentsShape& s, const std::vector<T>& x, int threads) {
  const CpuContext context{.threads = threads};
  std::vector<T> y(std::size_t(s.tasks * 2 * s.columns), T(-77));
  std::vector<T> workspace(
      std::size_t(moments_workspace_elements(s.tasks, s.rows, s.columns, context)), T(-88));
  kernels::moments<T>({s.tasks, s.rows, s.columns, x.data(), y.data(), workspace.data()}, context);
  return y;
}

TYPED_TEST(Moments, AreThoseOfTheDefinition) {
  using T = TypeParam;
  Random random(61);
  for (const MomentsShape& s : kMomentsShapes) {
    SCOPED_TRACE(testing::Message() << s.tasks << " x " << s.rows << " x " << s.columns);
    const std::vector<T> x = values_off_zero<T>(s, random);
    const std::vector<T> y = moments(s, x, 1);
    const std::vector<double> expected = plain_moments(s, x);
    expect_close(y, expected, tolerance::kernel<T>(1), moments_scale(s, expected));
    EXPECT_TRUE(same_bits(y, moments(s, x, 2)));
  }
}

TYPED_TEST(Moments, OfEqualValuesAreExact) {
  using T = TypeParam;
  const MomentsShape s{2, 9000, 16};
  const std::vector<T> y = moments(s, std::vector<T>(std::size_t(2 * 9000 * 16), T(3)), 2);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], i / 16 % 2 == 0 ? T(3) : T(0));
}

}  // namespace
}  // namespace metatape::kernels
