#include <gtest/gtest.h>

#include <cmath>

#include "engine/autodiff.h"
#include "tests/support/expect_rejected.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

TEST(BatchNorm, RejectsParametersThatDoNotFit) {
  Sandbox s;
  const Var x = s.zeros({4, 3}), three = s.zeros({3}), two = s.zeros({2});
  expect_rejected(ErrorKind::shape, "batch_norm",
                  "x [4,3], gamma [2], beta [2]: expected [...,C], [C], [C]",
                  [&] { batch_norm(x, two, two); });
  expect_rejected(ErrorKind::shape, "batch_norm", "x [4,3], gamma [3], beta [2]",
                  [&] { batch_norm(x, three, two); });
  expect_rejected(ErrorKind::shape, "batch_norm", "x [3], gamma [3], beta [3]",
                  [&] { batch_norm(three, three, three); });
  expect_rejected(ErrorKind::shape, "batch_norm", "x [4,3], gamma [], beta [3]",
                  [&] { batch_norm(x, s.zeros({}), three); });
}

TEST(BatchNorm, OfEqualValuesIsBetaAndItsDerivativeIsFinite) {
  Sandbox s;
  const Var x = s.value({3, 1}, {2, 2, 2}), gamma = s.value({1}, {5}), beta = s.value({1}, {7});
  const Var y = batch_norm(x, gamma, beta);
  EXPECT_EQ(s.run(y), (Elements{7, 7, 7}));
  for (double slope : s.run(grad(sum(square(y)), {&x, 1})[0])) EXPECT_TRUE(std::isfinite(slope));
}

}  // namespace
}  // namespace metatape
