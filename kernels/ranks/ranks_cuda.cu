#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/ranks/communicator.h"
#include "kernels/ranks/ranks.h"

// One thread for each element of the own slice adds its values rank by rank: neighbours read
// neighbours. The vector is small, and NCCL's transfers are most of the time.

namespace metatape::kernels {
namespace {

constexpr int kThreads = 256;

/// y[i] = ((base[i] + values[0, i]) + ...) + values[ranks-1, i],  values [ranks, count]
template <class T>
__global__ void __launch_bounds__(kThreads)
    add_in_order_kernel(const T* base, const T* values, T* y, std::int64_t count, int ranks) {
  const std::int64_t i = std::int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  T sum = base[i];
  for (int r = 0; r < ranks; ++r) sum += values[r * count + i];
  y[i] = sum;
}

template <class T>
void add_in_order(const T* base, const T* values, T* y, std::int64_t count, int ranks,
                  const CudaContext& context) {
  if (count == 0) return;
  const auto blocks = unsigned((count + kThreads - 1) / kThreads);
  MT_LAUNCH((add_in_order_kernel<T>), blocks, kThreads, 0, context.stream)
  (base, values, y, count, ranks);
}

}  // namespace

template <class T>
void add_over_ranks(const AddOverRanksArgs<T>& args, const CudaContext& context) {
  if (args.ranks == 1) {
    add_in_order(args.base, args.value, args.y, args.count, 1, context);
    return;
  }
  Communicator& communicator = *context.communicator;
  const RankSlice own = slice_of(args.count, communicator.rank(), args.ranks);
  communicator.exchange_slices(args.value, args.workspace, args.count, sizeof(T), context.stream);
  add_in_order(args.base + own.begin, args.workspace, args.y + own.begin, own.count(), args.ranks,
               context);
  communicator.gather_slices(args.y, args.count, sizeof(T), context.stream);
}

template <class T>
void gather_over_ranks(const GatherOverRanksArgs<T>& args, const CudaContext& context) {
  if (args.ranks > 1) {
    context.communicator->gather_blocks(args.x, args.y, args.count, sizeof(T), context.stream);
  } else if (args.count > 0) {
    cudaMemcpyAsync(args.y, args.x, std::size_t(args.count) * sizeof(T), cudaMemcpyDeviceToDevice,
                    context.stream);
  }
}

template void add_over_ranks(const AddOverRanksArgs<float>&, const CudaContext&);
template void add_over_ranks(const AddOverRanksArgs<double>&, const CudaContext&);
template void gather_over_ranks(const GatherOverRanksArgs<float>&, const CudaContext&);
template void gather_over_ranks(const GatherOverRanksArgs<double>&, const CudaContext&);

}  // namespace metatape::kernels
