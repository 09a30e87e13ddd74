// The twins of what kernels/common/tensor_core.cuh does in PTX. The PTX itself is checked on a GPU
// by the convolutions: g++ compiles these sources, and cannot compile a kernel for one.
#if defined(MT_EMULATION)

#include "kernels/common/tensor_core.cuh"

#include <gtest/gtest.h>

#include <limits>

#include "kernels/common/launch.cuh"
#include "kernels/emulation/error.h"
#include "kernels/emulation/settings.h"
#include "tests/cuda/cuda_case.h"

namespace metatape::kernels {
namespace {

using cuda_tests::DeviceArray;

// a [16, 8], b [8, 8] with b[depth][column], d [16, 8]: d += a b, by the layout of PTX's manual.
__global__ void product_kernel(const float* a, const float* b, float* d) {
  const int lane = threadIdx.x % 32, row = lane / 4, column = lane % 4;
  FragmentA fa;
  FragmentB fb;
  FragmentD fd;
  fa.x[0] = a[row * 8 + column];
  fa.x[1] = a[(row + 8) * 8 + column];
  fa.x[2] = a[row * 8 + column + 4];
  fa.x[3] = a[(row + 8) * 8 + column + 4];
  fb.x[0] = b[column * 8 + row];
  fb.x[1] = b[(column + 4) * 8 + row];
  float* places[] = {&d[row * 8 + 2 * column], &d[row * 8 + 2 * column + 1],
                     &d[(row + 8) * 8 + 2 * column], &d[(row + 8) * 8 + 2 * column + 1]};
  for (int i = 0; i < 4; ++i) fd.x[i] = *places[i];
  multiply_add_tf32(fa, fb, fd);
  for (int i = 0; i < 4; ++i) *places[i] = fd.x[i];
}

std::vector<float> product(const std::vector<float>& a, const std::vector<float>& b,
                           const std::vector<float>& d) {
  const DeviceArray<float> a_device(a), b_device(b), d_device(d);
  MT_LAUNCH(product_kernel, 1, 32, 0, nullptr)(a_device, b_device, d_device);
  return d_device.read();
}

TEST(TensorCore, MultipliesMatricesAndAdds) {
  std::vector<float> a(128), b(64), d(128);  // whole numbers of few bits: every sum is exact
  for (int i = 0; i < 128; ++i) a[i] = float(i * 37 % 101 - 50), d[i] = float(i);
  for (int i = 0; i < 64; ++i) b[i] = float(i * 29 % 97 - 48);
  std::vector<float> expected = d;
  for (int m = 0; m < 16; ++m)
    for (int n = 0; n < 8; ++n)
      for (int k = 0; k < 8; ++k) expected[m * 8 + n] += a[m * 8 + k] * b[k * 8 + n];
  EXPECT_EQ(product(a, b, d), expected);
}

TEST(TensorCore, DropsTheBitsThatTf32LacksAndRoundsTowardsZero) {
  const float next_of_one = 1 + std::numeric_limits<float>::epsilon();
  std::vector<float> a(128), b(64), d(128);
  a[0] = next_of_one, b[0] = 1;                    // as a factor, 1
  a[8] = 1, b[8] = 1.5f * 0x1p-24f, d[8 * 2] = 1;  // row 1 has b[0], row 2 b[1 * 8]
  a[2 * 8 + 1] = 1;
  a[3 * 8 + 1] = -1, d[3 * 8] = -1;
  const std::vector<float> result = product(a, b, d);
  EXPECT_EQ(result[0], 1);
  EXPECT_EQ(result[8], 1);
  EXPECT_EQ(result[2 * 8], 1);   // to nearest it would be the next one up
  EXPECT_EQ(result[3 * 8], -1);  // and here down
}

__global__ void round_kernel(const float* x, float* rounded) {
  rounded[threadIdx.x] = round_to_tf32(x[threadIdx.x]);
}

TEST(TensorCore, RoundsToElevenBitsWithTiesToEven) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<float, float>> cases{
      {0, 0},
      {1, 1},
      {1 + 0x1p-10f, 1 + 0x1p-10f},
      {1 + 0x1p-11f, 1},                        // a tie
      {-1 - 0x1p-11f, -1},                      //
      {1 + 0x1p-11f + 0x1p-23f, 1 + 0x1p-10f},  // just above
      {1 + 3 * 0x1p-11f, 1 + 0x1p-9f},          // a tie from an odd number
      {2 - 0x1p-23f, 2},                        // carries into the exponent
      {0x1.fffp-130f, 0x1p-129f},               // subnormal: the same last place
      {std::numeric_limits<float>::max(), kInfinity},
      {-kInfinity, -kInfinity}};
  std::vector<float> x;
  for (const auto& [from, to] : cases) x.push_back(from);
  x.push_back(std::numeric_limits<float>::quiet_NaN());
  x.push_back(__uint_as_float(0xffffffff));  // a NaN that a carry would make 0
  const DeviceArray<float> from(x), rounded(x.size());
  MT_LAUNCH(round_kernel, 1, unsigned(x.size()), 0, nullptr)(from, rounded);
  const std::vector<float> found = rounded.read();
  for (std::size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(found[i], cases[i].second) << x[i];
  EXPECT_TRUE(std::isnan(found[cases.size()]));
  EXPECT_TRUE(std::isnan(found[cases.size() + 1]));
}

__global__ void three_groups_kernel(const float* from, float* seen, bool waits) {
  MT_SHARED(float, tile, [32][4]);
  float* mine = tile[threadIdx.x];
  for (int i = 0; i < 4; ++i) mine[i] = -1;
  AsyncCopies copies;
  copies.copy<4>(mine, from + 4 * threadIdx.x, true);
  copies.close_group();
  copies.copy<1>(mine + 1, nullptr, false);
  copies.close_group();
  copies.copy<1>(mine + 2, from, true);
  copies.close_group();
  if (waits) copies.wait<2>();
  seen[3 * threadIdx.x] = mine[0];
  if (waits) copies.wait<1>();
  seen[3 * threadIdx.x + 1] = mine[1];
  if (waits) copies.wait<0>();
  seen[3 * threadIdx.x + 2] = mine[2];
}

std::vector<float> three_groups(bool late, bool waits) {
  auto& settings = emulation::settings();
  const auto before = settings;
  settings.late = late;
  std::vector<float> values(128);
  for (int i = 0; i < 128; ++i) values[i] = float(i + 1);
  const DeviceArray<float> from(values), seen(96);
  MT_LAUNCH(three_groups_kernel, 1, 32, 0, nullptr)(from, seen, waits);
  std::vector<float> result = seen.read();
  settings = before;
  return result;
}

TEST(AsyncCopies, AreThereAfterTheWaitForTheirGroup) {
  for (const bool late : {false, true}) {
    const std::vector<float> seen = three_groups(late, true);
    for (int i = 0; i < 32; ++i) {
      EXPECT_EQ(seen[3 * i], float(4 * i + 1));
      EXPECT_EQ(seen[3 * i + 1], 0);
      EXPECT_EQ(seen[3 * i + 2], 1);
    }
  }
}

TEST(AsyncCopies, AreMissingWithoutAWaitInLateMode) {
  EXPECT_EQ(three_groups(true, false), std::vector<float>(96, -1));
}

TEST(TensorCore, AWarpThatIsNotFullIsRefused) {
  const DeviceArray<float> a(128), b(64), d(128);
  try {
    MT_LAUNCH(product_kernel, 1, 16, 0, nullptr)(a, b, d);
    cudaDeviceSynchronize();
    FAIL() << "nothing was refused";
  } catch (const emulation::EmulationError& error) {
    EXPECT_NE(std::string(error.what()).find("mma.sync with lanes 0x0000ffff"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace metatape::kernels

#endif
