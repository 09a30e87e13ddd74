#pragma once

// The parallel loop of the convolutions on the CPU.

#include <cstdint>

#include "kernels/common/blas.h"
#include "kernels/common/cpu_context.h"
#include "kernels/common/parallel.h"
#include "kernels/conv2d/extents.h"

namespace metatape::kernels {

/// Calls visit(task, piece) for each of `pieces` of each task, on up to context.threads threads.
template <class Visit>
void for_each_piece(const Conv2dGeometry& g, std::int64_t pieces, const CpuContext& context,
                    Visit visit) {
  const bool in_parallel = g.tasks * pieces > 1 && multiply_adds(g) > kParallelMultiplyAdds;
#pragma omp parallel for schedule(dynamic) num_threads(context.threads) if (in_parallel)
  for (std::int64_t i = 0; i < g.tasks * pieces; ++i) visit(i / pieces, i % pieces);
}

}  // namespace metatape::kernels
