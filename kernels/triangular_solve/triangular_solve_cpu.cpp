#include "kernels/triangular_solve/triangular_solve.h"

#include <algorithm>

#include "kernels/common/blas.h"
#include "kernels/common/parallel.h"

namespace metatape::kernels {

template <class T>
void triangular_solve(const TriangularSolveArgs<T>& args, const CpuContext& context) {
  const std::int64_t n = args.n, k = args.k, batch = args.tasks * args.matrices;
  if (n * k == 0) return;
  parallel_for(batch, batch * n * (n + k), context, [&](std::int64_t piece) {
    const std::int64_t task = piece / args.matrices, i = piece % args.matrices;
    T* x = args.x + piece * n * k;
    std::copy_n(args.b + task * args.b_task_stride + i * n * k, n * k, x);
    solve_lower<T>({.transpose = args.transpose,
                    .m = n,
                    .n = k,
                    .l = args.l + task * args.l_task_stride + i * n * n,
                    .ldl = n,
                    .b = x,
                    .ldb = k});
  });
}

template void triangular_solve(const TriangularSolveArgs<float>&, const CpuContext&);
template void triangular_solve(const TriangularSolveArgs<double>&, const CpuContext&);

}  // namespace metatape::kernels
