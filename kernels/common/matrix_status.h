#pragma once

#include <cstdint>

namespace metatape::kernels {

/// How the factorisation of one matrix ended. A kernel that can fail writes one record for each
/// matrix of its batch; whoever ran it reads them afterwards. Failure is data: a kernel does not
/// throw, and a device cannot.
struct MatrixStatus {
  std::int32_t failed_column = 0;  ///< 1 + the column that stopped the last try; 0: factored
  std::int32_t first_column = 0;   ///< the same of the first try, on the matrix as it was given
  std::int32_t jitter_tries = 0;   ///< tries with something added to the diagonal
  double pivot = 0;                ///< what stopped the first try; NaN: an element is not finite
  double jitter = 0;               ///< what the last try added, in units of the matrix
};

}  // namespace metatape::kernels
