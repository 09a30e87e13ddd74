#include "kernels/common/launch.cuh"
#include "tests/emulation/kernels/cases.h"

namespace metatape::emulation_cases {
namespace {

constexpr int kBug = MT_BUG;
constexpr int kTile = kBug == 17 ? 33 : 8;  // 1089 threads are too many

/// out = a b; a [rows, depth], b [depth, columns], out [rows, columns].
template <int kTile>
__global__ void gemm_kernel(const float* a, const float* b, float* out, int rows, int columns,
                            int depth) {
  MT_SHARED(float, a_tile, [kTile][kTile + 1]);  // + 1 breaks bank conflicts
  MT_SHARED(float, b_tile, [kTile][kTile + 1]);
  const int x = threadIdx.x, y = threadIdx.y;
  const int row = blockIdx.y * kTile + y, column = blockIdx.x * kTile + x;
  float sum = 0;
  for (int first = 0; first < depth; first += kTile) {
    a_tile[y][x] = row < rows && first + x < depth ? a[row * depth + first + x] : 0;
    b_tile[y][x] = column < columns && first + y < depth ? b[(first + y) * columns + column] : 0;
    if (kBug == 11 && row >= rows) {  // not all threads meet at one barrier
      __syncthreads();
    } else {
      __syncthreads();
    }
    for (int k = 0; k < kTile; ++k) sum += a_tile[y][k] * b_tile[k][x];
    if (kBug != 10) __syncthreads();  // without it, the next tile overwrites this one
  }
  const bool inside = row < rows && (kBug == 8 || column < columns);  // misses the bound
  if (inside) out[row * columns + column] = sum;
}

void launch(const Operands& o) {
  const dim3 grid((o.columns + kTile - 1) / kTile, (o.rows + kTile - 1) / kTile);
  MT_LAUNCH((gemm_kernel<kTile>), grid, dim3(kTile, kTile), 0, nullptr)
  (o.a, o.b, o.out, o.rows, o.columns, o.depth);
}

const Registration registration("gemm", kBug, launch);

}  // namespace
}  // namespace metatape::emulation_cases
