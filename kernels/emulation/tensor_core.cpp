#include "kernels/emulation/tensor_core.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <stdexcept>

#include "kernels/emulation/settings.h"

namespace metatape::kernels::emulation {
namespace {

constexpr std::uint32_t kTf32Bits = 0xffffe000;  // sign, 8 of the exponent, 10 of the fraction

double as_factor(float x) {
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & kTf32Bits);
}

float round_towards_zero(double x) {
  const float nearest = float(x);
  return std::abs(double(nearest)) > std::abs(x) ? std::nextafter(nearest, 0.0f) : nearest;
}

}  // namespace

// PTX ISA, "Matrix Fragments for mma.m16n8k8": with row = lane / 4 and column = lane % 4,
//   A  a[i] at (row + 8 (i % 2), column + 4 (i / 2))       B  b[i] at (column + 4 i, row)
//   C  d[i] at (row + 8 (i / 2), 2 column + i % 2)
void multiply_fragments(MatrixFragments* const (&lanes)[32]) {
  double a[16][8], b[8][8], sum[16][8] = {};
  for (int lane = 0; lane < 32; ++lane) {
    const int row = lane / 4, column = lane % 4;
    const MatrixFragments& f = *lanes[lane];
    for (int i = 0; i < 4; ++i) a[row + 8 * (i % 2)][column + 4 * (i / 2)] = as_factor(f.a[i]);
    for (int i = 0; i < 2; ++i) b[column + 4 * i][row] = as_factor(f.b[i]);
  }
  for (int m = 0; m < 16; ++m)
    for (int k = 0; k < 8; ++k)
      for (int n = 0; n < 8; ++n) sum[m][n] += a[m][k] * b[k][n];
  for (int lane = 0; lane < 32; ++lane) {
    const int row = lane / 4, column = lane % 4;
    for (int i = 0; i < 4; ++i) {
      float& d = lanes[lane]->d[i];
      d = round_towards_zero(double(d) + sum[row + 8 * (i / 2)][2 * column + i % 2]);
    }
  }
}

float round_to_tf32(float x) {
  if (!std::isfinite(x)) return x;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t is_odd = bits >> 13 & 1;
  return std::bit_cast<float>((bits + 0x0fff + is_odd) & kTf32Bits);
}

bool copies_are_late() { return settings().late; }

void PendingCopies::too_many() {
  throw std::length_error("more asynchronous copies than the emulation keeps");
}

}  // namespace metatape::kernels::emulation
