#pragma once

#include <string>
#include <vector>

#include "tests/emulation/kernels/cases.h"

namespace metatape::emulation_cases {

/// Those linked into this program.
const std::vector<Variant>& variants();

struct Run {
  std::vector<float> out;
  std::string finding;  ///< empty, the text of an EmulationError, or "wrong result ..."
};

/// Runs a variant under the present settings on a small ragged shape, and compares with a plain
/// loop on the host.
Run run_variant(const Variant&);

/// The findings of the variant in four orders of threads and blocks, one per line; "differs between
/// orders" where correct runs do not give the same bits.
std::string findings_in_all_orders(const Variant&);

}  // namespace metatape::emulation_cases
