#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace metatape::kernels {

/// y[t,0,c] = m_c = mean of x[t,r,c] over the rows r,  y[t,1,c] = sum over r of (x[t,r,c] - m_c)^2.
/// One pass over x: the moments of pieces are joined (Chan, Golub, LeVeque 1983, "Algorithms for
/// computing the sample variance", eq. 2.1), so a variance that is small beside the mean keeps its
/// digits. rows >= 1. Writes every element of y; no aliasing. The order of operations depends on
/// the extents alone.
template <class T>
struct MomentsArgs {
  std::int64_t tasks, rows, columns;
  const T* x;
  T* y;
  T* workspace;  ///< moments_workspace_elements() elements, or nullptr if that is 0
};
template <class T>
void moments(const MomentsArgs<T>&, const CpuContext&);
template <class T>
void moments(const MomentsArgs<T>&, const CudaContext&);

std::int64_t moments_workspace_elements(std::int64_t tasks, std::int64_t rows, std::int64_t columns,
                                        const CpuContext&);
std::int64_t moments_workspace_elements(std::int64_t tasks, std::int64_t rows, std::int64_t columns,
                                        const CudaContext&);

}  // namespace metatape::kernels
