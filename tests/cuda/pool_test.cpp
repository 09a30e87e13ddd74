#include "kernels/pool/pool.h"

#include <limits>

#include "tests/cuda/cuda_case.h"
#include "tests/support/reference.h"

namespace metatape::cuda_tests {
namespace {

using namespace kernels;

using Pool = CudaTest;
using Places = std::vector<WindowPlace>;

// Even and ragged edges, overlapping and spaced windows, channels in vectors and not.
constexpr PoolGeometry kGeometries[] = {
    {2, 14, 14, 64, 2, 2}, {3, 7, 5, 3, 2, 2},    {2, 9, 8, 5, 3, 2},
    {2, 6, 7, 20, 3, 1},   {1, 8, 8, 4, 1, 2},    {1, 4, 4, 1, 4, 4},
    {2, 5, 5, 257, 2, 2},  {40, 10, 10, 8, 2, 2}, {1, 11, 3, 33, 2, 3},
};

std::int64_t image_count(const PoolGeometry& g) {
  return g.planes * g.height * g.width * g.channels;
}
std::int64_t pooled_count(const PoolGeometry& g) {
  return g.planes * g.out_height() * g.out_width() * g.channels;
}

/// The arrays start `offset` elements into their allocations.
Places index_on_device(const PoolGeometry& g, const std::vector<float>& x,
                       std::int64_t offset = 0) {
  return run_repeatedly([&](const CudaContext& context) {
    std::vector<float> shifted(offset, 0);
    shifted.insert(shifted.end(), x.begin(), x.end());
    const DeviceArray<float> in(shifted);
    const DeviceArray<WindowPlace> out(pooled_count(g) + offset);
    max_pool_index<float>(g, in + offset, out + offset, context);
    Places index = out.read();
    index.erase(index.begin(), index.begin() + offset);
    return index;
  });
}

Places index_on_cpu(const PoolGeometry& g, const std::vector<float>& x) {
  Places index(pooled_count(g));
  max_pool_index(g, x.data(), index.data(), CpuContext{});
  return index;
}

TEST_F(Pool, IndexIsThatOfTheCpu) {
  for (const PoolGeometry& g : kGeometries) {
    std::vector<float> x = random_values(image_count(g), 1);
    for (float& value : x) value = std::round(2 * value);  // many ties
    for (std::int64_t offset : {0, 1}) EXPECT_EQ(index_on_device(g, x, offset), index_on_cpu(g, x));
  }
}

TEST_F(Pool, NanWinsOverEverythingAndTheFirstNanOverLaterOnes) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x{1, nan, inf, 2,   nan, nan, -inf, -inf,  //
                             9, 9,   5,   nan, nan, 1,   -inf, -inf};
  EXPECT_EQ(index_on_device({1, 2, 8, 1, 2, 2}, x), (Places{1, 3, 0, 0}));
  EXPECT_EQ(index_on_device({1, 2, 8, 1, 1, 1}, x), index_on_cpu({1, 2, 8, 1, 1, 1}, x));
}

TEST_F(Pool, GatherReadsTheIndexedElements) {
  for (const PoolGeometry& g : kGeometries) {
    const std::vector<float> x = random_values(image_count(g), 2);
    const Places index = index_on_cpu(g, x);
    std::vector<float> expected(pooled_count(g));
    pool_gather(g, x.data(), index.data(), expected.data(), CpuContext{});
    EXPECT_EQ(run_repeatedly([&](const CudaContext& context) {
                const DeviceArray<float> in(x), out(expected.size());
                const DeviceArray<WindowPlace> from(index);
                pool_gather<float>(g, in, from, out, context);
                return out.read();
              }),
              expected);
  }
}

// The windows of a pixel are added in the order of the CPU: the same bits.
TEST_F(Pool, ScatterAddsWhereWindowsOverlapAndZeroesTheRest) {
  for (const PoolGeometry& g : kGeometries) {
    const std::vector<float> x = random_values(image_count(g), 3);
    const std::vector<float> y_bar = random_values(pooled_count(g), 4);
    const Places index = index_on_cpu(g, x);
    std::vector<float> expected(x.size());
    pool_scatter(g, y_bar.data(), index.data(), expected.data(), CpuContext{});
    EXPECT_EQ(run_repeatedly([&](const CudaContext& context) {
                const DeviceArray<float> in(y_bar), out(x.size());
                const DeviceArray<WindowPlace> to(index);
                pool_scatter<float>(g, in, to, out, context);
                return out.read();
              }),
              expected);
  }
}

TEST_F(Pool, LaunchesNothingForNoElements) {
  for (const PoolGeometry& g : {PoolGeometry{0, 8, 8, 16, 2, 2}, PoolGeometry{3, 4, 6, 0, 2, 2}}) {
    max_pool_index<float>(g, nullptr, nullptr, CudaContext{});
    pool_gather<float>(g, nullptr, nullptr, nullptr, CudaContext{});
    pool_scatter<float>(g, nullptr, nullptr, nullptr, CudaContext{});
  }
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
}

}  // namespace
}  // namespace metatape::cuda_tests
