#include "kernels/common/philox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "tests/support/tolerance.h"

namespace metatape::kernels {
namespace {

using Words = std::array<std::uint32_t, 4>;

Words philox(PhiloxCounter counter, PhiloxKey key) {
  const PhiloxCounter result = philox4x32(counter, key);
  return {result.word[0], result.word[1], result.word[2], result.word[3]};
}

RandomStream stream(std::uint64_t seed = 1, std::uint32_t iteration = 0, std::uint32_t task = 0) {
  return RandomStream(seed, RandomPurpose::training_episodes, iteration, task);
}

// The known-answer vectors of Random123.
TEST(Philox, MatchesThePublishedVectorOfZeros) {
  EXPECT_EQ(philox({{0, 0, 0, 0}}, {{0, 0}}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
}

TEST(Philox, MatchesThePublishedVectorOfOnes) {
  const std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({{ones, ones, ones, ones}}, {{ones, ones}}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Philox, MatchesThePublishedVectorOfPi) {
  EXPECT_EQ(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, {{0xa4093822, 0x299f31d0}}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, GivesTheBlocksOfItsKeyAndCounterInOrder) {
  RandomStream random(0x1122334455667788, RandomPurpose::glyph_drawings, 7, 9);
  for (std::uint32_t block = 0; block < 3; ++block)
    for (std::uint32_t word : philox({{block, 9, 7, 6}}, {{0x55667788, 0x11223344}}))
      EXPECT_EQ(random.bits(), word);
}

TEST(RandomStream, DependsOnEveryPartOfItsKey) {
  std::set<std::uint32_t> first;
  first.insert(RandomStream(1, RandomPurpose::test_episodes, 2, 3).bits());
  first.insert(RandomStream(2, RandomPurpose::test_episodes, 2, 3).bits());
  first.insert(RandomStream(1ull << 32 | 1, RandomPurpose::test_episodes, 2, 3).bits());
  first.insert(RandomStream(1, RandomPurpose::training_episodes, 2, 3).bits());
  first.insert(RandomStream(1, RandomPurpose::test_episodes, 3, 3).bits());
  first.insert(RandomStream(1, RandomPurpose::test_episodes, 2, 2).bits());
  EXPECT_EQ(first.size(), 6u);
}

TEST(RandomStream, DrawsBelowABoundUniformly) {
  constexpr std::uint32_t kSides = 7;
  constexpr int kDraws = 700'000;
  RandomStream random = stream();
  std::array<int, kSides> seen{};
  for (int i = 0; i < kDraws; ++i) ++seen[random.below(kSides)];
  const double sigma = std::sqrt(kDraws * (1.0 / kSides) * (1 - 1.0 / kSides));
  for (int count : seen)
    EXPECT_LT(std::abs(count - kDraws / double(kSides)), tolerance::kSigmas * sigma);
}

TEST(RandomStream, DrawsBelowALargeBoundWithoutBias) {
  // For n = 3 * 2^30, taking the high word without rejection would give every third number twice
  // the weight of the others.
  constexpr std::uint32_t kBound = 3u << 30;
  constexpr int kDraws = 90'000;
  RandomStream random = stream();
  std::array<int, 3> seen{};
  for (int i = 0; i < kDraws; ++i) {
    const std::uint32_t drawn = random.below(kBound);
    ASSERT_LT(drawn, kBound);
    ++seen[drawn % 3];
  }
  const double sigma = std::sqrt(kDraws * 2 / 9.0);
  for (int count : seen) EXPECT_LT(std::abs(count - kDraws / 3.0), tolerance::kSigmas * sigma);
}

TEST(RandomStream, UniformNumbersHaveTheMomentsOfTheUnitInterval) {
  constexpr int kDraws = 200'000;
  RandomStream random = stream();
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    squares += u * u;
  }
  EXPECT_LT(std::abs(sum / kDraws - 1 / 2.0), tolerance::kSigmas * std::sqrt(1 / 12.0 / kDraws));
  EXPECT_LT(std::abs(squares / kDraws - 1 / 3.0),
            tolerance::kSigmas * std::sqrt(4 / 45.0 / kDraws));
}

TEST(RandomStream, NormalNumbersHaveTheMomentsOfTheStandardNormal) {
  constexpr int kDraws = 200'000;
  RandomStream random = stream();
  double sum = 0, squares = 0, fourths = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.normal();
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
    fourths += x * x * x * x;
  }
  EXPECT_LT(std::abs(sum / kDraws), tolerance::kSigmas * std::sqrt(1.0 / kDraws));
  EXPECT_LT(std::abs(squares / kDraws - 1), tolerance::kSigmas * std::sqrt(2.0 / kDraws));
  EXPECT_LT(std::abs(fourths / kDraws - 3), tolerance::kSigmas * std::sqrt(96.0 / kDraws));
}

TEST(RandomStream, NeighbouringTasksAreUncorrelated) {
  constexpr std::uint32_t kTasks = 100'000;
  double products = 0;
  for (std::uint32_t t = 0; t < kTasks; ++t)
    products += (stream(1, 0, t).uniform() - 0.5) * (stream(1, 0, t + 1).uniform() - 0.5);
  EXPECT_LT(std::abs(products / kTasks), tolerance::kSigmas / 12 / std::sqrt(double(kTasks)));
}

TEST(DrawDistinct, GivesEveryOrderedChoiceEquallyOften) {
  constexpr int kDraws = 240'000, kChoices = 5 * 4 * 3;
  std::map<std::array<std::uint32_t, 3>, int> seen;
  RandomStream random = stream();
  for (int i = 0; i < kDraws; ++i) {
    std::array<std::uint32_t, 3> drawn{};
    draw_distinct(random, 5, 3, drawn.data());
    ++seen[drawn];
  }
  ASSERT_EQ(seen.size(), std::size_t(kChoices));
  const double p = 1.0 / kChoices, sigma = std::sqrt(kDraws * p * (1 - p));
  for (const auto& [drawn, count] : seen) {
    EXPECT_EQ(std::set(drawn.begin(), drawn.end()).size(), drawn.size());
    EXPECT_LT(std::abs(count - kDraws * p), tolerance::kSigmas * sigma);
  }
}

TEST(DrawDistinct, OfAllIsAPermutation) {
  std::vector<std::uint32_t> drawn(1000);
  RandomStream random = stream();
  draw_distinct(random, 1000, 1000, drawn.data());
  EXPECT_FALSE(std::is_sorted(drawn.begin(), drawn.end()));
  EXPECT_EQ(std::set(drawn.begin(), drawn.end()).size(), 1000u);
  EXPECT_EQ(*std::max_element(drawn.begin(), drawn.end()), 999u);
}

}  // namespace
}  // namespace metatape::kernels
