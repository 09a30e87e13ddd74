#pragma once

#include <functional>
#include <string>

namespace metatape::kernels::emulation {

/// Runs body(0), ..., body(count - 1) as the ranks of one program, each in a thread of its own. One
/// of them runs at a time: a rank gives way only where it waits for others, in wait_until() and at
/// its end, and the order of the settings says to whom. So nothing else here needs a lock.
///
/// A rank chooses its GPU by cudaSetDevice, of the settings' number of devices.
///
/// When a body throws, the waits of the other ranks throw too; then the first exception is thrown
/// on.
void run_ranks(int count, const std::function<void(int rank)>& body);

/// Whether the caller is a rank of run_ranks.
bool is_rank();

/// Lets other ranks run until `ready()`, which must change nothing. Throws EmulationError, naming
/// what each rank waits for, if nobody can go on; outside of run_ranks that is at once. False, and
/// no wait, where a rank has failed and this one is only clearing up. `what`: "ncclRecv of 12 bytes
/// from rank 1 at file:line".
bool wait_until(const std::function<bool()>& ready, const std::string& what);

}  // namespace metatape::kernels::emulation
