#include <algorithm>

#include "kernels/common/parallel.h"
#include "kernels/ranks/communicator.h"
#include "kernels/ranks/ranks.h"

namespace metatape::kernels {

template <class T>
void add_over_ranks(const AddOverRanksArgs<T>& args, const CpuContext& context) {
  const int rank = args.ranks == 1 ? 0 : context.communicator->rank();
  const RankSlice own = slice_of(args.count, rank, args.ranks);
  const T* values = args.value;  // [ranks, own.count()]
  if (args.ranks > 1) {
    context.communicator->exchange_slices(args.value, args.workspace, args.count, sizeof(T),
                                          nullptr);
    values = args.workspace;
  }
  parallel_pieces(own.count(), context, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      T sum = args.base[own.begin + i];
      for (int r = 0; r < args.ranks; ++r) sum += values[r * own.count() + i];
      args.y[own.begin + i] = sum;
    }
  });
  if (args.ranks > 1) context.communicator->gather_slices(args.y, args.count, sizeof(T), nullptr);
}

template <class T>
void gather_over_ranks(const GatherOverRanksArgs<T>& args, const CpuContext& context) {
  if (args.ranks == 1)
    std::copy_n(args.x, args.count, args.y);
  else
    context.communicator->gather_blocks(args.x, args.y, args.count, sizeof(T), nullptr);
}

template void add_over_ranks(const AddOverRanksArgs<float>&, const CpuContext&);
template void add_over_ranks(const AddOverRanksArgs<double>&, const CpuContext&);
template void gather_over_ranks(const GatherOverRanksArgs<float>&, const CpuContext&);
template void gather_over_ranks(const GatherOverRanksArgs<double>&, const CpuContext&);

}  // namespace metatape::kernels
