#include "kernels/distances/distances.h"

#include <algorithm>

#include "kernels/common/parallel.h"

namespace metatape::kernels {
namespace {

/// Rows of x that one piece of work takes; each piece packs y for itself.
constexpr std::int64_t kPieceRows = 32;
/// Pairs whose sums are in registers at a time: eight vectors of AVX2.
constexpr std::int64_t kRows = 4;
template <class T>
constexpr std::int64_t kColumns = 64 / sizeof(T);
/// Terms of a partial sum. A packed block of y (8 KiB) stays in the first-level cache.
constexpr std::int64_t kDepth = 128;

/// [depth][kColumns] of y, transposed; zeros beside its last row.
template <class T>
void pack(const T* y, std::int64_t d, std::int64_t columns, std::int64_t depth, T* packed) {
  for (std::int64_t k = 0; k < depth; ++k)
    for (std::int64_t j = 0; j < kColumns<T>; ++j)
      packed[k * kColumns<T> + j] = j < columns ? y[j * d + k] : T(0);
}

/// Adds the terms of `depth` coordinates to the distances of kRows x kColumns pairs; of these,
/// `rows` x `columns` exist. Each sum runs along k alone, wherever its pair stands in the block.
template <class T>
void add_terms(const T* const (&x)[kRows], const T* packed, std::int64_t depth, std::int64_t rows,
               std::int64_t columns, T* distances, std::int64_t m) {
  T sums[kRows][kColumns<T>] = {};
  for (std::int64_t k = 0; k < depth; ++k)
    for (std::int64_t i = 0; i < kRows; ++i)
    // Asked for: left to itself, the compiler unrolls this loop and then finds no vectors.
#pragma omp simd
      for (std::int64_t j = 0; j < kColumns<T>; ++j) {
        const T difference = x[i][k] - packed[k * kColumns<T> + j];
        sums[i][j] += difference * difference;
      }
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) distances[i * m + j] += sums[i][j];
}

/// `rows` rows of one matrix.
template <class T>
void distances_of_rows(const T* x, const T* y, std::int64_t rows, std::int64_t m, std::int64_t d,
                       T* distances) {
  std::fill_n(distances, rows * m, T(0));
  T packed[kDepth * kColumns<T>];
  for (std::int64_t j = 0; j < m; j += kColumns<T>)
    for (std::int64_t k = 0; k < d; k += kDepth) {
      const std::int64_t columns = std::min(kColumns<T>, m - j), depth = std::min(kDepth, d - k);
      pack(y + j * d + k, d, columns, depth, packed);
      for (std::int64_t i = 0; i < rows; i += kRows) {
        const T* x_rows[kRows];  // the last row again where there are fewer
        for (std::int64_t r = 0; r < kRows; ++r) x_rows[r] = x + std::min(i + r, rows - 1) * d + k;
        add_terms(x_rows, packed, depth, std::min(kRows, rows - i), columns, distances + i * m + j,
                  m);
      }
    }
}

}  // namespace

template <class T>
void squared_distances(const SquaredDistancesArgs<T>& args, const CpuContext& context) {
  const std::int64_t n = args.n, m = args.m, d = args.d, batch = args.tasks * args.matrices;
  const std::int64_t blocks = (n + kPieceRows - 1) / kPieceRows;
  parallel_for(batch * blocks, batch * n * m * d, context, [&](std::int64_t piece) {
    const std::int64_t matrix = piece / blocks, row = piece % blocks * kPieceRows;
    const std::int64_t task = matrix / args.matrices, i = matrix % args.matrices;
    distances_of_rows(args.x + task * args.x_task_stride + (i * n + row) * d,
                      args.y + task * args.y_task_stride + i * m * d, std::min(kPieceRows, n - row),
                      m, d, args.distances + (matrix * n + row) * m);
  });
}

template void squared_distances(const SquaredDistancesArgs<float>&, const CpuContext&);
template void squared_distances(const SquaredDistancesArgs<double>&, const CpuContext&);

}  // namespace metatape::kernels
