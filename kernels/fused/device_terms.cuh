#pragma once

// On the host: what a launch passes of an expression and its operands, and which kernel it takes.

#include <algorithm>

#include "kernels/common/strided_index.h"
#include "kernels/fused/fused.h"
#include "kernels/fused/interpreter.cuh"

namespace metatape::kernels {

using Loops = StridedLoops<kMaxFusedOperands>;

inline std::size_t shared_bytes(const FusedExpression& e, int threads) {
  return std::size_t(e.operands + e.registers) * threads * sizeof(Group);
}

template <int kOperands, class Scattering>
Terms<kOperands, Scattering> terms_of(const FusedArgs<float>& args, const Loops& vector_loops,
                                      const Scattering& scattering) {
  Terms<kOperands, Scattering> terms{.expression = DeviceExpression(args.expression),
                                     .scattering = scattering};
  const auto along = innermost_steps(vector_loops);
  for (int k = 0; k < std::min(kOperands, args.expression.operands); ++k) {
    terms.operands[k] = args.operands[k];
    terms.along[k] = along[k];
  }
  return terms;
}

template <int kOperands>
StridedLoops<kOperands> first_operands(const Loops& loops) {
  StridedLoops<kOperands> result;
  for (int d = 0; d < loops.rank(); ++d) {
    StridedLoop<kOperands> loop{.extent = loops[d].extent};
    for (int k = 0; k < kOperands; ++k) loop.strides[k] = loops[d].strides[k];
    result.append(loop);
  }
  return result;
}

/// Calls body(width, operands, index, scattering) with the constants and the types of the narrowest
/// kernel that does. Wide indices have one kernel, scattered operands one of each kind: they are
/// rare, and each costs compile time.
template <class Body>
void with_kernel(bool in_vectors, const FusedArgs<float>& args, bool narrow, const Body& body) {
  using std::integral_constant;
  constexpr integral_constant<int, kGroup> vector;
  constexpr integral_constant<int, 1> element;
  constexpr integral_constant<int, 4> few;
  constexpr integral_constant<int, kMaxFusedOperands> all;
  constexpr NoScattering none;
  if (args.expression.scattered != 0) {
    const DeviceScattering scattering(args.scattering);
    if (!narrow) return body(element, all, std::int64_t{}, scattering);
    return in_vectors ? body(vector, all, std::int32_t{}, scattering)
                      : body(element, all, std::int32_t{}, scattering);
  }
  if (!narrow) return body(element, all, std::int64_t{}, none);
  if (args.expression.operands <= few)
    return in_vectors ? body(vector, few, std::int32_t{}, none)
                      : body(element, few, std::int32_t{}, none);
  in_vectors ? body(vector, all, std::int32_t{}, none) : body(element, all, std::int32_t{}, none);
}

/// Whether four channels of every scattered operand are neighbours wherever a vector lies.
inline bool scatters_in_vectors(const FusedArgs<float>& args, const Loops& vector_loops) {
  if (args.expression.scattered == 0) return true;
  for (int k = 0; k < args.expression.operands; ++k)
    if (args.expression.is_scattered(k) && vector_loops.inner().strides[k] != 1) return false;
  return args.scattering.pool.channels % kGroup == 0 && is_aligned(args.scattering.index, kGroup);
}

inline bool reads_in_vectors(const FusedArgs<float>& args, const Loops& vector_loops,
                             const Loops& other_loops) {
  std::array<const float*, kMaxFusedOperands> operands{};
  std::copy_n(args.operands.begin(), args.expression.operands, operands.begin());
  return vector_loops.inner().extent % kGroup == 0 && scatters_in_vectors(args, vector_loops) &&
         vectors_fit<kMaxFusedOperands, float>(vector_loops, other_loops, operands, kGroup);
}

}  // namespace metatape::kernels
