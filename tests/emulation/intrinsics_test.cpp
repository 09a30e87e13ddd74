#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/common/launch.cuh"
#include "kernels/emulation/error.h"

namespace metatape {
namespace {

constexpr unsigned kAll = 0xffffffff;

/// What a kernel of one block leaves in an array of `count` values, all 0 before.
template <class T>
std::vector<T> run(void (*kernel)(T*), int threads, int count) {
  T* device = nullptr;
  cudaMalloc(&device, count * sizeof(T));
  cudaMemset(device, 0, count * sizeof(T));
  MT_LAUNCH(kernel, 1, threads, 0, nullptr)(device);
  std::vector<T> result(count);
  cudaMemcpy(result.data(), device, count * sizeof(T), cudaMemcpyDeviceToHost);
  cudaFree(device);
  return result;
}

__global__ void shuffle_kernel(int* out) {
  const int lane = threadIdx.x;
  out[lane] = __shfl_sync(kAll, lane, 5);
  out[32 + lane] = __shfl_up_sync(kAll, lane, 3);
  out[64 + lane] = __shfl_down_sync(kAll, lane, 3, 8);
  out[96 + lane] = __shfl_xor_sync(kAll, lane, 1);
  out[128 + lane] = int(__shfl_sync(kAll, 0.5 + lane, 31 - lane));
}

TEST(Shuffles, MoveValuesAsOnADevice) {
  const std::vector<int> out = run(shuffle_kernel, 32, 160);
  for (int lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(out[lane], 5);
    EXPECT_EQ(out[32 + lane], lane < 3 ? lane : lane - 3);
    EXPECT_EQ(out[64 + lane], lane % 8 + 3 > 7 ? lane : lane + 3);
    EXPECT_EQ(out[96 + lane], lane ^ 1);
    EXPECT_EQ(out[128 + lane], 31 - lane);
  }
}

__global__ void half_warp_kernel(int* out) {
  const int lane = threadIdx.x;
  const unsigned mine = lane < 16 ? 0x0000ffff : 0xffff0000;
  if (lane < 16) {
    out[lane] = __shfl_xor_sync(mine, lane, 8);
  } else {
    out[lane] = __popc(__ballot_sync(mine, lane % 4 == 0));
  }
  __syncwarp();
  out[32 + lane] = __shfl_sync(mine, lane, 20);
}

TEST(Shuffles, DisjointMasksAreIndependent) {
  const std::vector<int> out = run(half_warp_kernel, 32, 64);
  for (int lane = 0; lane < 16; ++lane) {
    EXPECT_EQ(out[lane], lane ^ 8);
    EXPECT_EQ(out[16 + lane], 4);
    EXPECT_EQ(out[32 + lane], -1) << "lane 20 takes no part: its value is undefined on a device";
    EXPECT_EQ(out[48 + lane], 20);
  }
}

__global__ void vote_kernel(int* out) {
  const int thread = threadIdx.x, lane = thread % 32;
  out[192 + thread] = int(__activemask());
  out[thread] = int(__ballot_sync(kAll, lane == 1 || lane == 7));
  out[48 + thread] = __any_sync(kAll, thread == 40) + 2 * __all_sync(kAll, thread < 32);
  out[96 + thread] = __syncthreads_count(thread % 3 == 0);
  out[144 + thread] = __syncthreads_and(thread < 47) + 2 * __syncthreads_or(thread == 47);
}

TEST(Votes, CountInWarpsAndInABlockWhoseLastWarpIsNotFull) {
  const std::vector<int> out = run(vote_kernel, 48, 240);
  for (int thread = 0; thread < 48; ++thread) {
    EXPECT_EQ(out[thread], 1 << 1 | 1 << 7);
    EXPECT_EQ(out[48 + thread], thread < 32 ? 2 : 1);
    EXPECT_EQ(out[96 + thread], 16);
    EXPECT_EQ(out[144 + thread], 2);
    EXPECT_EQ(unsigned(out[192 + thread]), thread < 32 ? kAll : 0xffffu);
  }
}

__global__ void early_return_kernel(int*) {
  if (threadIdx.x == 0) return;
  __syncthreads();
}

TEST(Barriers, NameThreadsThatReturnedBefore) {
  int* device = nullptr;
  cudaMalloc(&device, sizeof(int));
  std::string text;
  try {
    MT_LAUNCH(early_return_kernel, 2, 40, 0, nullptr)(device);
    cudaDeviceSynchronize();
  } catch (const kernels::emulation::EmulationError& error) {
    text = error.what();
  }
  cudaFree(device);
  EXPECT_NE(text.find("kernel early_return_kernel, block (0, 0, 0), thread (1, 0, 0)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("a barrier after 1 of 40 threads returned"), std::string::npos) << text;
}

__global__ void atomic_kernel(int* out) {
  const int thread = threadIdx.x;
  atomicAdd(&out[0], thread);
  atomicMax(&out[1], thread);
  atomicMin(&out[2], -thread);
  if (atomicCAS(&out[3], 0, thread + 1) == 0) atomicAdd(&out[4], 1);
  if (atomicExch(&out[5], 1) == 0) atomicAdd(&out[6], 1);
}

TEST(Atomics, UpdateIntegers) {
  const std::vector<int> out = run(atomic_kernel, 64, 7);
  EXPECT_EQ(out[0], 63 * 64 / 2);
  EXPECT_EQ(out[1], 63);
  EXPECT_EQ(out[2], -63);
  EXPECT_NE(out[3], 0);
  EXPECT_EQ(out[4], 1);
  EXPECT_EQ(out[6], 1);
}

template <class T>
__global__ void atomic_add_kernel(T* out) {
  atomicAdd(out, T(threadIdx.x));
}

TEST(Atomics, AddEveryTypeOfNumber) {
  EXPECT_EQ(run(atomic_add_kernel<unsigned>, 64, 1)[0], 2016u);
  EXPECT_EQ(run(atomic_add_kernel<unsigned long long>, 64, 1)[0], 2016u);
  EXPECT_EQ(run(atomic_add_kernel<float>, 64, 1)[0], 2016);
  EXPECT_EQ(run(atomic_add_kernel<double>, 64, 1)[0], 2016);
}

__global__ void shared_kernel(int* out) {
  MT_SHARED(int, first);
  MT_SHARED(int, second, [2]);
  if (threadIdx.x == 0) {
    out[0] = first;
    out[1] = second[1];
    first = 7;
  }
  __syncthreads();
  if (threadIdx.x == 1) out[2] = first;
}

TEST(SharedMemory, IsNewForEachBlock) {
  for (int launch = 0; launch < 2; ++launch) {
    EXPECT_EQ(run(shared_kernel, 2, 3), (std::vector<int>{-1, -1, 7}));
  }
}

__global__ void index_kernel(int* out) {
  const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  out[block * 24 + thread] =
      int(100 * blockIdx.z + 10 * blockIdx.y + blockIdx.x + 1000 * threadIdx.z);
}

TEST(Indices, CoverTheGridInThreeDimensions) {
  const int blocks = 2 * 3 * 2;
  int* device = nullptr;
  cudaMalloc(&device, blocks * 24 * sizeof(int));
  MT_LAUNCH(index_kernel, dim3(2, 3, 2), dim3(4, 3, 2), 0, nullptr)(device);
  std::vector<int> out(blocks * 24);
  cudaMemcpy(out.data(), device, out.size() * sizeof(int), cudaMemcpyDeviceToHost);
  cudaFree(device);
  EXPECT_EQ(out.front(), 0);
  EXPECT_EQ(out[5 * 24], 21);
  EXPECT_EQ(out.back(), 1121);
}

}  // namespace
}  // namespace metatape
