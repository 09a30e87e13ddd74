#include "kernels/episodes/episodes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "tests/support/reference.h"

namespace metatape::kernels {
namespace {

using namespace reference;
using Ints = std::vector<std::int32_t>;

/// What draw_members draws from, and how.
struct Draw {
  std::int64_t tasks, groups, members;
  Ints counts;  ///< items of each group; they follow one another
  Turns turns = Turns::none;
  std::uint64_t seed = 7;
  std::int32_t iteration = 3, first_task = 0;

  Ints table() const {
    Ints table;
    std::int32_t first = 2;  // items 0 and 1 belong to no group
    for (std::int32_t count : counts) {
      table.insert(table.end(), {first, count});
      first += count;
    }
    return table;
  }
};

constexpr RandomPurpose kPurpose = RandomPurpose::test_episodes;
constexpr std::int32_t kGuard = -77;

Ints drawn(const Draw& d, int threads = 1) {
  const Ints table = d.table();
  const std::size_t size = std::size_t(d.tasks * d.groups * d.members * 2);
  Ints y(size + 8, kGuard);
  draw_members({.tasks = d.tasks,
                .groups = d.groups,
                .members = d.members,
                .rows = std::int64_t(d.counts.size()),
                .seed = d.seed,
                .purpose = kPurpose,
                .turns = d.turns,
                .iteration = &d.iteration,
                .first_task = &d.first_task,
                .table = table.data(),
                .y = y.data()},
               {.threads = threads});
  for (std::size_t i = size; i < y.size(); ++i) EXPECT_EQ(y[i], kGuard) << "written past the end";
  y.resize(size);
  return y;
}

/// Takes numbers out of a list of those that are left.
Ints distinct(RandomStream& random, std::int32_t n, std::int64_t count) {
  Ints left(static_cast<std::size_t>(n)), taken;
  std::iota(left.begin(), left.end(), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto place = left.begin() + random.below(std::uint32_t(left.size()));
    taken.push_back(*place);
    left.erase(place);
  }
  return taken;
}

Ints expected(const Draw& d) {
  const Ints table = d.table();
  const std::int32_t turns_each = d.turns == Turns::as_groups ? 4 : 1;
  Ints y;
  for (std::int64_t t = 0; t < d.tasks; ++t) {
    RandomStream random(d.seed, kPurpose, std::uint32_t(d.iteration),
                        std::uint32_t(d.first_task + t));
    const auto pool = std::int32_t(d.counts.size()) * turns_each;
    for (std::int32_t group : distinct(random, pool, d.groups)) {
      std::int32_t turn = group % turns_each;
      if (d.turns == Turns::per_group) turn = std::int32_t(random.below(4));
      const auto row = std::size_t(group / turns_each);
      for (std::int32_t member : distinct(random, table[2 * row + 1], d.members))
        y.insert(y.end(), {table[2 * row] + member, turn});
    }
  }
  return y;
}

constexpr Turns kTurns[] = {Turns::none, Turns::per_group, Turns::as_groups};

TEST(DrawMembers, TakesGroupsAndMembersFromTheStreamOfEachTask) {
  for (Turns turns : kTurns) {
    for (std::int32_t iteration : {0, 1, 1000, std::numeric_limits<std::int32_t>::max()}) {
      for (std::int64_t tasks = 1; tasks <= 5; ++tasks) {
        for (const Draw& d : {Draw{tasks, 1, 1, {1}}, Draw{tasks, 5, 2, {2, 3, 5, 7, 11, 13, 17}},
                              Draw{tasks, 3, 7, {7, 8, 9, 20}}, Draw{tasks, 7, 1, Ints(7, 3)},
                              Draw{tasks, 20, 16, Ints(64, 20)}}) {
          Draw with = d;
          with.turns = turns;
          with.iteration = iteration;
          EXPECT_EQ(drawn(with), expected(with));
        }
      }
    }
  }
}

TEST(DrawMembers, DoesNotDependOnHowTasksAreCut) {
  const Draw all{5, 4, 3, Ints(9, 6), Turns::per_group};
  const Ints whole = drawn(all);
  Ints pieces;
  for (std::int32_t task = 0; task < 5; ++task) {
    Draw one = all;
    one.tasks = 1;
    one.first_task = task;
    const Ints y = drawn(one);
    pieces.insert(pieces.end(), y.begin(), y.end());
  }
  EXPECT_EQ(pieces, whole);
  Draw other = all;
  other.seed = 8;
  EXPECT_NE(drawn(other), whole);
  other = all;
  other.iteration = 4;
  EXPECT_NE(drawn(other), whole);
}

TEST(DrawMembers, DoesNotDependOnThreads) {
  const Draw d{60, 20, 30, Ints(32, 40), Turns::as_groups};  // above kParallelElements
  EXPECT_EQ(drawn(d, 2), drawn(d, 1));
}

// ---- gather_images -----------------------------------------------------------------------------

template <class T>
class GatherImages : public testing::Test {};
using FloatTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(GatherImages, FloatTypes);

/// An image as rows of pixels of channels, turned by its definition y[r,c] = x[c, W-1-r].
std::vector<std::uint8_t> turned(std::vector<std::uint8_t> x, std::int64_t side,
                                 std::int64_t channels, int turns) {
  for (int turn = 0; turn < turns; ++turn) {
    std::vector<std::uint8_t> y;
    for (std::int64_t r = 0; r < side; ++r)
      for (std::int64_t c = 0; c < side; ++c)
        for (std::int64_t k = 0; k < channels; ++k)
          y.push_back(x[std::size_t((c * side + side - 1 - r) * channels + k)]);
    x = y;
  }
  return x;
}

std::vector<std::uint8_t> numbered(std::int64_t count) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::uint8_t(i * 37 % 251);
  return bytes;
}

template <class T>
std::vector<T> gathered(std::int64_t height, std::int64_t width, std::int64_t channels,
                        const std::vector<std::uint8_t>& x, const Ints& choice, int threads = 1) {
  const std::int64_t size = height * width * channels;
  const std::int64_t count = std::int64_t(choice.size()) / 2;
  std::vector<T> y(std::size_t(count * size), T(-9));
  gather_images<T>({.images = std::int64_t(x.size()) / size,
                    .height = height,
                    .width = width,
                    .channels = channels,
                    .count = count,
                    .x = x.data(),
                    .choice = choice.data(),
                    .y = y.data()},
                   {.threads = threads});
  return y;
}

TYPED_TEST(GatherImages, TurnsAndScalesTheChosenOnes) {
  using T = TypeParam;
  for (std::int64_t channels : {1, 3}) {
    for (std::int64_t side : {1, 2, 3, 7, 28}) {
      const std::int64_t size = side * side * channels;
      const std::vector<std::uint8_t> x = numbered(5 * size);
      Ints choice;
      std::vector<T> result;
      for (std::int32_t item : {4, 0, 2, 2, 3}) {
        for (std::int32_t turns : {0, 1, 2, 3}) {
          choice.insert(choice.end(), {item, turns});
          const std::vector<std::uint8_t> image(x.begin() + item * size,
                                                x.begin() + (item + 1) * size);
          for (std::uint8_t byte : turned(image, side, channels, turns))
            result.push_back(T(float(byte) / 255.0f));
        }
      }
      ASSERT_GT(*std::max_element(result.begin(), result.end()), 0);
      EXPECT_EQ(gathered<T>(side, side, channels, x, choice), result);
      EXPECT_EQ(gathered<T>(side, side, channels, x, choice, 2), result);
    }
  }
}

TYPED_TEST(GatherImages, LeavesOblongOnesAsTheyAreAndZeroesWhatIsNotThere) {
  using T = TypeParam;
  const std::vector<std::uint8_t> x = numbered(3 * 2 * 5);
  const std::int32_t lowest = std::numeric_limits<std::int32_t>::min();
  const std::vector<T> y = gathered<T>(2, 5, 1, x, {1, 0, 1, 3, 3, 0, -1, 1, lowest, 0});
  for (std::size_t e = 0; e < 10; ++e) {
    const T expected = T(float(x[10 + e]) / 255.0f);
    EXPECT_EQ(y[e], expected);
    EXPECT_EQ(y[10 + e], expected);
    for (std::size_t outside : {2, 3, 4}) EXPECT_EQ(y[outside * 10 + e], T(0));
  }
}

TEST(Increment, CountsAndWraps) {
  const Ints x = {0, -1, 41, std::numeric_limits<std::int32_t>::max()};
  Ints y(4, kGuard);
  increment(4, x.data(), y.data(), CpuContext{});
  EXPECT_EQ(y, (Ints{1, 0, 42, std::numeric_limits<std::int32_t>::min()}));
  increment(4, y.data(), y.data(), CpuContext{});
  EXPECT_EQ(y[2], 43);
}

}  // namespace
}  // namespace metatape::kernels
