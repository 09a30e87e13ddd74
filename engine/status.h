#pragma once

// Ops that may fail (OpDef::may_fail) leave a record for each matrix of their result instead of
// throwing, on every device. An executor reads the records after a run.

#include <string>
#include <vector>

#include "engine/graph.h"
#include "kernels/common/matrix_status.h"

namespace metatape {

/// Matrices of a result [T,...,n,n].
std::int64_t matrix_count(const Shape&);

/// Bytes of the records of such a result.
std::size_t status_bytes(const Shape&);

/// Reads the records of a node. Appends one warning if matrices needed jitter: op, instruction,
/// scope, and how much in which task. Throws Error{numerical} if one could not be factored: op,
/// instruction, scope, task, the pivot that was found, the remedy and the recorded source line.
void read_status(const Graph&, int node, const kernels::MatrixStatus*,
                 std::vector<std::string>& warnings);

}  // namespace metatape
