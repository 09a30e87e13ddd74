#include "kernels/common/cuda_context.h"
#include "kernels/matmul/cuda_blas.h"
#include "kernels/matmul/join_batch.h"

namespace metatape::kernels {

template <class T>
void matmul(const MatmulArgs<T>& separate, const CudaContext& context) {
  const MatmulArgs<T> args = join_batch(separate);
  const std::int64_t count = args.batch * args.m * args.n;
  if (count == 0) return;
  if (args.k == 0) {
    cudaMemsetAsync(args.c, 0, std::size_t(count) * sizeof(T), context.stream);
  } else {
    context.blas->multiply(args);
  }
}

template void matmul(const MatmulArgs<float>&, const CudaContext&);

}  // namespace metatape::kernels
