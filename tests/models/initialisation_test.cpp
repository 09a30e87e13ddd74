#include "models/initialisation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Kind = Initializer::Kind;
constexpr std::int64_t kMany = 40'000;

std::vector<double> drawn(Initializer init, DType dtype = DType::f32, std::uint64_t seed = 1) {
  const Parameter p{"w", "body", {kMany}, init};
  StateStore store;
  initialise(store, {&p, 1}, dtype, seed);
  return store.at("theta/w").values();
}

double mean_of(const std::vector<double>& x, int power) {
  double sum = 0;
  for (double v : x) sum += std::pow(v, power);
  return sum / double(x.size());
}

/// The k-th moment is that of the distribution, within the standard error of its own estimate.
void expect_moment(const std::vector<double>& x, int power, double expected) {
  const double found = mean_of(x, power);
  const double error = std::sqrt((mean_of(x, 2 * power) - found * found) / double(x.size()));
  EXPECT_LT(std::abs(found - expected), tolerance::kSigmas * error) << "moment " << power;
}

TEST(Initialisation, IsTheSameInBothPrecisions) {
  for (Kind kind : {Kind::uniform, Kind::normal, Kind::truncated_normal}) {
    const auto single = drawn({kind, 0.3}, DType::f32), twice = drawn({kind, 0.3}, DType::f64);
    EXPECT_EQ(single, twice);
  }
}

TEST(Initialisation, UniformFillsItsBounds) {
  const auto x = drawn({Kind::uniform, 0.3});
  const auto [low, high] = std::ranges::minmax(x);
  EXPECT_TRUE(low >= -0.3f && low < -0.299) << low;
  EXPECT_TRUE(high <= 0.3f && high > 0.299) << high;
  expect_moment(x, 1, 0);
  expect_moment(x, 2, 0.3 * 0.3 / 3);
}

TEST(Initialisation, NormalHasItsDeviation) {
  const auto x = drawn({Kind::normal, 0.3});
  expect_moment(x, 1, 0);
  expect_moment(x, 2, 0.3 * 0.3);
  EXPECT_GT(std::ranges::max(x), 3 * 0.3);  // not cut: one in 740 is beyond 3 deviations
}

TEST(Initialisation, TruncatedNormalEndsAtTwoDeviations) {
  const auto x = drawn({Kind::truncated_normal, 0.3});
  const auto [low, high] = std::ranges::minmax(x);
  EXPECT_TRUE(low >= -0.6f && low < -0.59) << low;
  EXPECT_TRUE(high <= 0.6f && high > 0.59) << high;
  expect_moment(x, 1, 0);
  // Variance of a standard normal on [-2, 2]: 1 - 4 density(2) / (2 Phi(2) - 1).
  const double density = std::exp(-2.0) / std::sqrt(2 * std::acos(-1.0));
  expect_moment(x, 2, 0.3 * 0.3 * (1 - 4 * density / std::erf(std::sqrt(2.0))));
}

TEST(Initialisation, ConstantIsTheValueItself) {
  EXPECT_EQ(drawn({Kind::constant, 0.25}), std::vector<double>(kMany, 0.25));
}

TEST(Initialisation, FollowsTheSeed) {
  EXPECT_EQ(drawn({Kind::normal, 1}), drawn({Kind::normal, 1}));
  EXPECT_NE(drawn({Kind::normal, 1}), drawn({Kind::normal, 1}, DType::f32, 2));
}

TEST(Initialisation, GivesEachParameterItsOwnStream) {
  const Initializer normal{Kind::normal, 1};
  const Parameter small[] = {{"a", "body", {3}, normal}, {"b", "body", {50}, normal}};
  const Parameter large[] = {{"a", "body", {50}, normal}, {"b", "body", {50}, normal}};
  StateStore first, second;
  initialise(first, small, DType::f32, 1);
  initialise(second, large, DType::f32, 1);
  EXPECT_EQ(first.at("theta/b"), second.at("theta/b"));  // whatever the size of the one before
  EXPECT_NE(second.at("theta/a"), second.at("theta/b"));
}

TEST(Initialisation, GlorotBoundFollowsBothFans) {
  EXPECT_DOUBLE_EQ(glorot_uniform(9, 576).scale, std::sqrt(6.0 / 585));
  EXPECT_EQ(glorot_uniform(9, 576).kind, Kind::uniform);
}

TEST(Initialisation, HeKeepsTheSizeOfValuesOrGradients) {
  EXPECT_DOUBLE_EQ(he_normal(576).scale, std::sqrt(2.0 / 576));
  EXPECT_EQ(he_normal(576).kind, Kind::normal);
  expect_moment(drawn(he_uniform_linear(100)), 2, 1.0 / 100);
  EXPECT_EQ(he_uniform_linear(100).kind, Kind::uniform);
}

}  // namespace
}  // namespace metatape
