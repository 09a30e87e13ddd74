// Drawing and gathering promise bits, not tolerances: the GPU's are the CPU's.

#include "kernels/episodes/episodes.h"

#include <limits>

#include "tests/cuda/cuda_case.h"

namespace metatape::cuda_tests {
namespace {

using kernels::Turns;
using Ints = std::vector<std::int32_t>;

class EpisodesCuda : public CudaTest {};

struct Draw {
  std::int64_t tasks, groups, members;
  std::int32_t rows, count;  ///< groups to draw from, items of the first one; each has one more
};

constexpr Draw kDraws[] = {{1, 1, 1, 1, 1}, {3, 5, 2, 11, 2}, {5, 7, 13, 7, 13}, {4, 20, 6, 64, 9}};

TEST_F(EpisodesCuda, DrawTheGroupsAndMembersOfTheCpu) {
  for (const Draw& d : kDraws) {
    for (Turns turns : {Turns::none, Turns::per_group, Turns::as_groups}) {
      for (std::int32_t iteration : {0, 5, std::numeric_limits<std::int32_t>::max()}) {
        Ints table;
        for (std::int32_t row = 0; row < d.rows; ++row)
          table.insert(table.end(), {100 * row, d.count + row});
        const Ints counter = {iteration}, first_task = {17};
        Ints y(std::size_t(d.tasks * d.groups * d.members * 2), -1);
        kernels::DrawMembersArgs args{.tasks = d.tasks,
                                      .groups = d.groups,
                                      .members = d.members,
                                      .rows = d.rows,
                                      .seed = 0x123456789abcdef0,
                                      .purpose = kernels::RandomPurpose::training_episodes,
                                      .turns = turns,
                                      .iteration = counter.data(),
                                      .first_task = first_task.data(),
                                      .table = table.data(),
                                      .y = y.data()};
        kernels::draw_members(args, kernels::CpuContext{});
        const DeviceArray<std::int32_t> device_table(table), device_counter(counter),
            device_first(first_task);
        EXPECT_EQ(run_repeatedly([&](const kernels::CudaContext& context) {
                    const DeviceArray<std::int32_t> result(y.size());
                    args.iteration = device_counter;
                    args.first_task = device_first;
                    args.table = device_table;
                    args.y = result;
                    kernels::draw_members(args, context);
                    return result.read();
                  }),
                  y);
      }
    }
  }
}

struct Images {
  std::int64_t height, width, channels;
};

/// Bytes of an image: 1, 3, 4, 15, 49, 147, 48, 784, 3072. Four divides some of them.
constexpr Images kImages[] = {{1, 1, 1}, {1, 1, 3}, {2, 2, 1},   {3, 5, 1},  {7, 7, 1},
                              {7, 7, 3}, {4, 4, 3}, {28, 28, 1}, {32, 32, 3}};

/// Every image in every turn, and two that are not there; `offset` elements off the alignment.
void expect_gathered(const Images& of, std::size_t offset) {
  constexpr std::int32_t kCount = 3;
  const std::int64_t size = of.height * of.width * of.channels;
  std::vector<std::uint8_t> x(std::size_t(kCount * size));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::uint8_t(i * 37 % 251 + 1);
  Ints choice = {kCount, 0, -1, 2};
  for (std::int32_t item = 0; item < kCount; ++item)
    for (std::int32_t turns = 0; turns < 4; ++turns)
      choice.insert(choice.end(), {kCount - 1 - item, turns});
  kernels::GatherImagesArgs<float> args{.images = kCount,
                                        .height = of.height,
                                        .width = of.width,
                                        .channels = of.channels,
                                        .count = std::int64_t(choice.size()) / 2,
                                        .x = x.data(),
                                        .choice = choice.data(),
                                        .y = nullptr};
  std::vector<float> y(std::size_t(args.count * size));
  args.y = y.data();
  kernels::gather_images(args, kernels::CpuContext{});
  ASSERT_GT(y.back(), 0);
  const DeviceArray<std::uint8_t> device_x(x);
  const DeviceArray<std::int32_t> device_choice(choice);
  EXPECT_EQ(run_repeatedly([&](const kernels::CudaContext& context) {
              const DeviceArray<float> result(y.size() + offset);
              args.x = device_x;
              args.choice = device_choice;
              args.y = result + offset;
              kernels::gather_images(args, context);
              const std::vector<float> all = result.read();
              return std::vector<float>(all.begin() + std::ptrdiff_t(offset), all.end());
            }),
            y);
}

TEST_F(EpisodesCuda, GatherTheImagesOfTheCpu) {
  for (const Images& of : kImages) {
    SCOPED_TRACE(testing::Message() << of.height << " x " << of.width << " x " << of.channels);
    for (std::size_t offset : {0, 1}) expect_gathered(of, offset);
  }
}

TEST_F(EpisodesCuda, IncrementCountsAndWraps) {
  Ints x(1000), expected(1000);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = i == 999 ? std::numeric_limits<std::int32_t>::max() : std::int32_t(i) - 5;
    expected[i] = i == 999 ? std::numeric_limits<std::int32_t>::min() : x[i] + 1;
  }
  const DeviceArray<std::int32_t> device_x(x);
  EXPECT_EQ(run_repeatedly([&](const kernels::CudaContext& context) {
              const DeviceArray<std::int32_t> y(x.size());
              kernels::increment(1000, device_x, y, context);
              return y.read();
            }),
            expected);
}

TEST_F(EpisodesCuda, NothingToDoLaunchesNothing) {
  const kernels::CudaContext context;
  kernels::increment(0, nullptr, nullptr, context);
  kernels::gather_images<float>({.images = 1, .height = 2, .width = 2, .channels = 1}, context);
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
}

}  // namespace
}  // namespace metatape::cuda_tests
