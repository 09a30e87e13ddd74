#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace metatape::kernels {

/// y[r,c] = x[r,c] - log sum_j exp(x[r,j]), each row shifted by its maximum first.
/// Dense [rows, columns], columns >= 1. y may be x itself. Workspace: none.
template <class T>
void log_softmax(std::int64_t rows, std::int64_t columns, const T* x, T* y, const CpuContext&);
template <class T>
void log_softmax(std::int64_t rows, std::int64_t columns, const T* x, T* y, const CudaContext&);

}  // namespace metatape::kernels
