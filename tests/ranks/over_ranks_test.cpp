// The operations over several ranks, and what ranks tell each other beside their programs.

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/exec/executor.h"
#include "engine/ops.h"
#include "kernels/ranks/one_rank.h"
#include "meta/training/ranks.h"
#include "tests/support/expect_error.h"
#include "tests/support/thread_ranks.h"

namespace metatape {
namespace {

/// Numbers of many magnitudes: their sum depends on the order.
std::vector<double> numbers_of(int rank, std::int64_t count) {
  std::mt19937 random(unsigned(rank) + 1u);
  std::uniform_real_distribution<double> exponent(-8, 8);
  std::vector<double> x;
  for (std::int64_t i = 0; i < count; ++i)
    x.push_back(double(float((i % 2 ? -1 : 1) * std::exp(exponent(random)))));
  return x;
}

Target of(ThreadRank& rank) { return {.ranks = rank.size(), .communicator = &rank}; }

template <class T>
void expect_sums_in_rank_order(DType dtype, int ranks, std::int64_t count) {
  std::vector<std::vector<double>> found(static_cast<std::size_t>(ranks));
  on_thread_ranks(ranks, [&](ThreadRank& rank) {
    Tape tape;
    const Var base = tape.input("base", {count}, dtype),
              value = tape.input("value", {count}, dtype);
    const Program program = compile(
        tape, {.fetch = {add_over_ranks(base, value, ranks)}, .update = {}, .target = of(rank)});
    StateStore store;
    const auto executor = make_executor(program, store);
    executor->feed("base", Tensor::of<double>({count}, dtype, numbers_of(-1, count)));
    executor->feed("value", Tensor::of<double>({count}, dtype, numbers_of(rank.rank(), count)));
    executor->run();
    found[std::size_t(rank.rank())] = executor->fetch(0).values();
  });
  std::vector<T> expected;
  for (const double x : numbers_of(-1, count)) expected.push_back(T(x));
  for (int r = 0; r < ranks; ++r) {
    const std::vector<double> value = numbers_of(r, count);
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += T(value[i]);
  }
  for (const auto& of_rank : found) {
    ASSERT_EQ(of_rank.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_TRUE(std::isfinite(expected[i]) && expected[i] != 0);
      EXPECT_EQ(of_rank[i], double(expected[i])) << "element " << i << " of " << ranks << " ranks";
    }
  }
}

TEST(AddOverRanks, AddsInRankOrderOnAllRanks) {
  for (const int ranks : {1, 2, 3, 4})
    for (const std::int64_t count : {1, 3, 7, 1000}) {
      expect_sums_in_rank_order<float>(DType::f32, ranks, count);
      expect_sums_in_rank_order<double>(DType::f64, ranks, count);
    }
}

TEST(GatherOverRanks, PutsTasksInRankOrder) {
  constexpr int kRanks = 3;
  on_thread_ranks(kRanks, [&](ThreadRank& rank) {
    Tape tape;
    const Shape shape = Shape{5}.with_tasks(2);
    const Var all = gather_over_ranks(tape.input("x", shape, DType::f64), kRanks);
    ASSERT_EQ(all.shape(), Shape{5}.with_tasks(6));
    const Program program = compile(tape, {.fetch = {all}, .update = {}, .target = of(rank)});
    StateStore store;
    const auto executor = make_executor(program, store);
    executor->feed("x", Tensor::of<double>(shape, DType::f64, numbers_of(rank.rank(), 10)));
    executor->run();
    std::vector<double> expected;
    for (int r = 0; r < kRanks; ++r)
      for (const double x : numbers_of(r, 10)) expected.push_back(x);
    EXPECT_EQ(executor->fetch(0).values(), expected);
  });
}

TEST(OverRanks, RefuseWhatDoesNotFit) {
  Tape tape;
  const Var x = tape.input("x", {3}, DType::f32), y = tape.input("y", {4}, DType::f32);
  expect_error(ErrorKind::shape, "base is [4], value [3]", [&] { add_over_ranks(y, x, 2); });
  expect_error(ErrorKind::usage, "found 0 ranks", [&] { gather_over_ranks(x, 0); });
  const Program program =
      compile(tape, {.fetch = {gather_over_ranks(x, 2)}, .update = {}, .target = {.ranks = 2}});
  StateStore store;
  expect_error(ErrorKind::usage, "the program is for 2 ranks, found 1",
               [&] { make_executor(program, store); });
}

TEST(OverRanks, EachRankLooksForWhatIsNotFiniteByItself) {
  on_thread_ranks(2, [&](ThreadRank& rank) {
    Tape tape;
    const Var x = tape.input("x", {2}, DType::f64);
    const Var total = add_over_ranks(x - x, log(x), 2);
    const Program program =
        compile(tape, {.fetch = {sum(total)}, .update = {}, .target = of(rank)});
    StateStore store;
    const auto executor = make_executor(program, store);
    const double number = rank.rank() == 1 ? -1 : 1;
    executor->feed("x", Tensor::of<double>({2}, DType::f64, std::vector{number, 1.0}));
    executor->run();
    EXPECT_TRUE(std::isnan(executor->fetch(0).at(0)));
    const std::string found = executor->find_nonfinite();
    EXPECT_EQ(found.find("log") != std::string::npos, rank.rank() == 1) << found;
  });
}

TEST(OneRank, GetsItsOwnDataBack) {
  kernels::OneRank alone;
  const std::vector<float> x{1, 2, 3};
  std::vector<float> slices(3), blocks(3), gathered = x;
  alone.exchange_slices(x.data(), slices.data(), 3, 4, nullptr);
  alone.gather_blocks(x.data(), blocks.data(), 3, 4, nullptr);
  alone.gather_slices(gathered.data(), 3, 4, nullptr);
  EXPECT_EQ(slices, x);
  EXPECT_EQ(blocks, x);
  EXPECT_EQ(gathered, x);
}

// ---- beside the programs -----------------------------------------------------------------------

TEST(Ranks, TellEachOtherTextsNumbersAndBits) {
  on_thread_ranks(3, [](ThreadRank& rank) {
    const Ranks ranks(rank);
    EXPECT_EQ(ranks.is_first(), rank.rank() == 0);
    EXPECT_EQ(ranks.name_of(2), "rank 2 of 3");
    EXPECT_EQ(ranks.any(rank.rank() == 1 ? 2u : 0u), 2u);
    EXPECT_EQ(ranks.any(0), 0u);
    EXPECT_EQ(ranks.texts(std::string(std::size_t(7 * rank.rank()), 'x')),
              (std::vector<std::string>{"", "xxxxxxx", "xxxxxxxxxxxxxx"}));
    EXPECT_EQ(ranks.numbers({1.0 * rank.rank(), 5}),
              (std::vector<std::vector<double>>{{0, 5}, {1, 5}, {2, 5}}));
  });
  EXPECT_EQ(Ranks().any(5), 5u);
  EXPECT_EQ(Ranks().texts("alone"), std::vector<std::string>{"alone"});
}

TEST(Ranks, NameTheRankThatDiffersAndWhatDiffers) {
  on_thread_ranks(3, [](ThreadRank& rank) {
    const Ranks ranks(rank);
    const auto own = [&](double lr) {
      return nlohmann::json{{"settings", {{"inner", {{"lr", lr}}}}}, {"data", "abc"}};
    };
    EXPECT_NO_THROW(ranks.require_equal(own(0.5)));
    expect_error(ErrorKind::usage,
                 "rank 2 of 3 differs from rank 0 in settings.inner.lr: found 0.4, rank 0 has 0.5",
                 [&] { ranks.require_equal(own(rank.rank() == 2 ? 0.4 : 0.5)); });
  });
}

}  // namespace
}  // namespace metatape
