#pragma once

// Random expressions of kernels/fused, and operands for them, for the tests of both devices.

#include "kernels/fused/fused.h"
#include "kernels/pool/pool.h"
#include "tests/support/reference.h"

namespace metatape::reference {

/// Functions that stay finite and near 1 for operands near 1, however they are chained.
inline constexpr kernels::ElementwiseFunction kTameFunctions[] = {
    kernels::ElementwiseFunction::affine,  kernels::ElementwiseFunction::tanh_,
    kernels::ElementwiseFunction::sigmoid, kernels::ElementwiseFunction::relu,
    kernels::ElementwiseFunction::abs_,    kernels::ElementwiseFunction::softplus,
    kernels::ElementwiseFunction::add,     kernels::ElementwiseFunction::sub,
    kernels::ElementwiseFunction::maximum, kernels::ElementwiseFunction::minimum,
    kernels::ElementwiseFunction::mul,     kernels::ElementwiseFunction::relu_mask};

/// `operations` operations on the operands and each other; the last adds operand 0, so that the
/// result cannot be constant. Smooth ones for a comparison with rounding errors, which may cross a
/// step.
inline kernels::FusedExpression random_expression(int operands, int operations, Random& random,
                                                  bool smooth = false) {
  kernels::FusedExpression e{.operands = operands, .operations = operations};
  const auto tame = std::size(kTameFunctions) - (smooth ? 1 : 0);
  for (int i = 0; i < operations; ++i) {
    kernels::FusedOperation& op = e.code[std::size_t(i)];
    op.function = kTameFunctions[draw(random, 0, std::int64_t(tame) - 1)];
    const int slots = operands + e.registers;
    op.a = std::uint8_t(i > 0 && draw(random, 0, 1) ? e.code[std::size_t(i - 1)].result
                                                    : draw(random, 0, slots - 1));
    op.b = is_unary(op.function) ? op.a : std::uint8_t((i + draw(random, 0, 1)) % slots);
    if (i + 1 == operations) {
      op.function = kernels::ElementwiseFunction::add;
      op.a = i > 0 ? e.code[std::size_t(i - 1)].result : std::uint8_t(0);
      op.b = 0;
    }
    const int reg = int(draw(random, 0, kernels::kMaxFusedRegisters - 1));
    op.result = std::uint8_t(operands + std::min(reg, e.registers));
    e.registers = std::max(e.registers, op.result - operands + 1);
    op.alpha = 0.5;
    op.beta = 0.25;
  }
  return e;
}

/// An expression over a random nest: operands dense, permuted or repeated.
struct FusedCase {
  FusedCase(const LoopNest& loops, int operands, int operations, Random& random,
            bool smooth = false)
      : nest(loops), expression(random_expression(operands, operations, random, smooth)) {
    for (int k = 0; k < operands; ++k) {
      strides[std::size_t(k)] = random_strides(nest, random);
      std::vector<float>& v = values.emplace_back(std::size_t(nest.count() + 1));
      for (float& x : v) x = float(draw(random, -1 << 20, 1 << 20)) * 0x1p-20f;
    }
  }

  template <class T>
  std::vector<std::vector<T>> values_as() const {
    std::vector<std::vector<T>> all;
    for (const std::vector<float>& v : values) all.emplace_back(v.begin(), v.end());
    return all;
  }

  LoopNest nest;
  kernels::FusedExpression expression;
  std::array<Extents, kernels::kMaxFusedOperands> strides{};
  std::vector<std::vector<float>> values;
};

/// Windows that do not overlap: even and ragged edges, spaces between, channels beside every length
/// of a vector or a block.
inline constexpr kernels::PoolGeometry kScatterings[] = {
    {2, 14, 14, 64, 2, 2}, {3, 7, 5, 3, 2, 2},   {1, 8, 8, 4, 1, 2}, {2, 9, 9, 8, 3, 3},
    {1, 11, 3, 33, 2, 3},  {2, 5, 5, 257, 2, 2}, {1, 4, 4, 1, 4, 4},
};

/// Over images [planes, H, W, C]: operands 0 and 1 are scattered in `given` and are what they are
/// scattered to in `spread`, operand 2 is one value for each channel.
struct ScatteredCase {
  ScatteredCase(const kernels::PoolGeometry& g, Random& random, bool smooth = false)
      : pool(g),
        given({4, {g.planes, g.height, g.width, g.channels}}, 3, 6, random, smooth),
        spread(given) {
    given.strides = {dense_strides(given.nest), dense_strides(given.nest), Extents{0, 0, 0, 1}};
    spread.strides = given.strides;
    given.expression.scattered = 0b011;
    const auto pooled = std::size_t(g.planes * g.out_height() * g.out_width() * g.channels);
    for (std::size_t i = 0; i < pooled; ++i)
      index.push_back(kernels::WindowPlace(draw(random, 0, g.window * g.window - 1)));
    for (std::size_t k : {0, 1}) {
      given.values[k].resize(pooled);
      kernels::pool_scatter(g, given.values[k].data(), index.data(), spread.values[k].data(),
                            kernels::CpuContext{});
    }
  }

  kernels::PoolGeometry pool;
  FusedCase given, spread;
  std::vector<kernels::WindowPlace> index;
};

template <class T, class Pointer>
kernels::FusedArgs<T> fused_args(const FusedCase& c, const std::vector<Pointer>& operands, T* y,
                                 const kernels::Scattering& scattering = {}) {
  kernels::FusedArgs<T> args{.expression = c.expression,
                             .loops = c.nest,
                             .strides = c.strides,
                             .scattering = scattering,
                             .y = y};
  for (std::size_t k = 0; k < operands.size(); ++k) args.operands[k] = operands[k];
  return args;
}

}  // namespace metatape::reference
