#pragma once

// The part of NCCL that metatape uses, under NCCL's names, between the ranks of one process
// (kernels/emulation/ranks.h). An operation runs when its stream gets there, and waits there for
// the other ranks.
//
// Wrong use throws EmulationError, with the lines of the calls, where NCCL would hang, or return an
// error, or go on and be wrong: operations that do not match, a rank or a buffer that is not there,
// two ranks on one device, and ranks that all wait for each other. What a correct program has to
// expect comes back as a status: memory that does not suffice, a rank that has given up.

#include <cstddef>

#include "kernels/emulation/runtime_api.h"

enum ncclResult_t { ncclSuccess = 0, ncclUnhandledCudaError = 1, ncclRemoteError = 6 };
enum ncclDataType_t { ncclUint32 = 3, ncclUint64 = 5 };
using ncclComm_t = struct ncclComm*;
struct ncclUniqueId {
  char internal[128];
};

#define MT_SITE \
  ::metatape::kernels::emulation::Site site = ::metatape::kernels::emulation::Site::current()

const char* ncclGetErrorString(ncclResult_t);

ncclResult_t ncclGetUniqueId(ncclUniqueId*);
/// Waits until all ranks are there. UnhandledCudaError if no device memory is left: NCCL takes some
/// for itself.
ncclResult_t ncclCommInitRank(ncclComm_t*, int size, ncclUniqueId, int rank, MT_SITE);
ncclResult_t ncclCommDestroy(ncclComm_t, MT_SITE);
/// What other ranks wait for from this one never comes: their operations end, and they find
/// RemoteError.
ncclResult_t ncclCommAbort(ncclComm_t, MT_SITE);
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* error, MT_SITE);

/// What is called in between is one operation, whose parts do not wait for each other.
ncclResult_t ncclGroupStart();
ncclResult_t ncclGroupEnd(MT_SITE);

/// The n-th send from one rank to another meets the n-th receive there. Both have as many elements,
/// of the same type, and are captured in a graph or both are not.
ncclResult_t ncclSend(const void* buffer, std::size_t count, ncclDataType_t, int peer, ncclComm_t,
                      cudaStream_t, MT_SITE);
ncclResult_t ncclRecv(void* buffer, std::size_t count, ncclDataType_t, int peer, ncclComm_t,
                      cudaStream_t, MT_SITE);

// The n-th of these on one rank meets the n-th on each other one, and is the same call there.

/// to[r, i] = from_r[i], i < count. In place if from is to + rank * count.
ncclResult_t ncclAllGather(const void* from, void* to, std::size_t count, ncclDataType_t,
                           ncclComm_t, cudaStream_t, MT_SITE);
/// to[i] = from_root[i]. `from` of the other ranks is not read.
ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t, int root,
                           ncclComm_t, cudaStream_t, MT_SITE);

#undef MT_SITE
